# SPDX-License-Identifier: Apache-2.0
"""RUN for other machines: whether their programs can run here, and what to say when they cannot.

Source: the kernel's admin-guide/binfmt-misc.rst. A program is not looked at before it runs: what this machine can do
by itself, or by an emulator that is registered, the kernel knows best. Only when it refuses is the reason looked for.
Holds: an emulator counts only with the flag F, which opens it when it is registered; without it the kernel looks for
it in the step's own root filesystem, where it is not.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from sampan.errors import SampanError, Unsupported
from sampan.oci.platform import Platform

REGISTERED = "/proc/sys/fs/binfmt_misc"

_EMULATORS = {
    "386": "i386",
    "amd64": "x86_64",
    "arm": "arm",
    "arm64": "aarch64",
    "loong64": "loongarch64",
    "mips": "mips",
    "mips64": "mips64",
    "mips64le": "mips64el",
    "mipsle": "mipsel",
    "ppc64": "ppc64",
    "ppc64le": "ppc64le",
    "riscv64": "riscv64",
    "s390x": "s390x",
}
_NATIVE_TOO = {"amd64": ("386",), "arm64": ("arm",)}
_SIGNS = ("exec format error", "no such file or directory")


@dataclass(frozen=True, slots=True)
class Emulator:
    """An entry of binfmt_misc."""

    interpreter: str
    is_enabled: bool
    flags: str

    @property
    def works_in_containers(self) -> bool:
        """Whether a root filesystem need not have it."""
        return self.is_enabled and "F" in self.flags


def is_foreign(platform: Platform, host: Platform) -> bool:
    """Whether programs for a platform need an emulator on this host."""
    if platform.os != host.os:
        return True
    same = platform.architecture == host.architecture
    return not same and platform.architecture not in _NATIVE_TOO.get(host.architecture, ())


def parse_emulator(text: str) -> Emulator:
    """Read one file of binfmt_misc."""
    fields: dict[str, str] = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        fields[name.rstrip(":")] = value.strip()
    return Emulator(fields.get("interpreter", ""), "enabled" in fields, fields.get("flags", ""))


def read_emulators(folder: str = REGISTERED) -> dict[str, Emulator]:
    """What is registered, by the architecture it is for; nothing where binfmt_misc is not mounted."""
    found: dict[str, Emulator] = {}
    for architecture, name in _EMULATORS.items():
        try:
            with open(f"{folder}/qemu-{name}", encoding="ascii", errors="replace") as file:
                found[architecture] = parse_emulator(file.read())
        except OSError:
            continue
    return found


def emulated_platforms(host: Platform, emulators: Mapping[str, Emulator]) -> list[Platform]:
    """The platforms whose programs run here besides the host's own."""
    return [
        Platform("linux", architecture).normalised().plain
        for architecture, emulator in emulators.items()
        if emulator.works_in_containers and architecture != host.architecture
    ]


def explain_foreign(
    error: SampanError, platform: Platform, host: Platform, emulators: Mapping[str, Emulator]
) -> SampanError:
    """The kernel's refusal of a foreign program as what is missing; any other error as it is."""
    if not is_foreign(platform, host) or not any(sign in error.message for sign in _SIGNS):
        return error
    emulator = emulators.get(platform.architecture)
    if emulator is not None and emulator.works_in_containers:
        return error
    if emulator is None and _SIGNS[0] not in error.message:
        return error
    return _foreign(platform.plain, host.plain, emulator)


def _foreign(platform: Platform, host: Platform, emulator: Emulator | None) -> Unsupported:
    name = _EMULATORS.get(platform.architecture)
    if platform.os != host.os or name is None:
        return Unsupported(
            f"RUN for {platform} on {host}: there is no emulator for that", hint=_without(platform)
        )
    if emulator is not None and not emulator.is_enabled:
        entry = f"{REGISTERED}/qemu-{name}"
        return Unsupported(
            f"RUN for {platform} on {host}: its emulator is switched off",
            hint=f"switch it on: echo 1 >{entry}",
        )
    if emulator is None:
        reason = f"no emulator is registered for it (binfmt_misc has no qemu-{name})"
    else:
        place = os.path.basename(emulator.interpreter)
        reason = f"its emulator {place} is registered without the flag F, so that containers do not find it"
    return Unsupported(
        f"RUN for {platform} on {host}: {reason}",
        hint=f"install qemu-user-static (Debian, Ubuntu, Fedora) or qemu-user-static-binfmt (Arch),"
        f" which register it; or {_without(platform)}",
    )


def _without(platform: Platform) -> str:
    return (
        f"build for {platform} without RUN in its own stages: compile in a stage"
        " FROM --platform=$BUILDPLATFORM with TARGETARCH, and COPY --from it"
    )
