# SPDX-License-Identifier: Apache-2.0
"""Docker's seccomp profile format, and what it comes to for one container.

Docker's profiles (`--security-opt seccomp=FILE`, and its default one, which lies beside this module) carry
conditions: rules that hold only with a capability, on an architecture, from a kernel version on. They are
decided here as moby does, and what is left is the runtime-spec's linux.seccomp.
"""

from __future__ import annotations

import json
import os

from sampan.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any

_GO_ARCH = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7l": "arm",
    "riscv64": "riscv64",
    "s390x": "s390x",
    "ppc64le": "ppc64le",
    "loongarch64": "loong64",
}
_SECCOMP_ARCH = {
    "amd64": "SCMP_ARCH_X86_64",
    "arm64": "SCMP_ARCH_AARCH64",
    "arm": "SCMP_ARCH_ARM",
    "riscv64": "SCMP_ARCH_RISCV64",
    "s390x": "SCMP_ARCH_S390X",
    "ppc64le": "SCMP_ARCH_PPC64LE",
    "loong64": "SCMP_ARCH_LOONGARCH64",
}


def load_default_profile() -> dict[str, Any]:
    """Return Docker's default profile."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "seccomp-default.json")
    with open(path, "rb") as file:
        profile: dict[str, Any] = json.load(file)
    return profile


def kernel_version(release: str) -> tuple[int, int]:
    """Return (major, minor) of a kernel release such as `6.1.0-26-amd64`."""
    major, _, rest = release.partition(".")
    digits = rest[: next((n for n, c in enumerate(rest) if not c.isdigit()), len(rest))]
    return int(major), int(digits or 0)


def docker_profile_to_oci(
    profile: dict[str, Any],
    capabilities: Collection[str],
    arch: str | None = None,
    kernel: tuple[int, int] | None = None,
) -> dict[str, Any]:
    """Return linux.seccomp for a container with these (bounding) capabilities, on this machine by default.

    `arch` is the machine's name as uname or as Go has it.
    """
    machine = arch or os.uname().machine
    go_arch = _GO_ARCH.get(machine, machine)
    kernel = kernel or kernel_version(os.uname().release)
    if profile.get("architectures") and profile.get("archMap"):
        raise InvalidArgument(
            "seccomp profile: use either 'architectures' or 'archMap' to specify them, not both"
        )
    oci: dict[str, Any] = {
        "defaultAction": profile["defaultAction"],
        "architectures": profile.get("architectures")
        or _architectures(profile.get("archMap") or (), go_arch),
        "syscalls": [
            _resolve_rule(rule)
            for rule in profile.get("syscalls") or ()
            if _applies(rule, capabilities, go_arch, kernel)
        ],
    }
    for key in ("defaultErrnoRet", "flags", "listenerPath", "listenerMetadata"):
        if profile.get(key) is not None:
            oci[key] = profile[key]
    return oci


def _architectures(arch_map: Collection[dict[str, Any]], go_arch: str) -> list[str]:
    native = _SECCOMP_ARCH.get(go_arch)
    for entry in arch_map:
        if entry["architecture"] == native:
            return [native, *(entry.get("subArchitectures") or ())]
    return []


def _applies(rule: dict[str, Any], capabilities: Collection[str], arch: str, kernel: tuple[int, int]) -> bool:
    """Excludes: one that holds is enough. Includes: all must hold."""
    excludes, includes = rule.get("excludes") or {}, rule.get("includes") or {}
    if arch in (excludes.get("arches") or ()) or _any_of(excludes.get("caps"), capabilities):
        return False
    if excludes.get("minKernel") and kernel >= kernel_version(excludes["minKernel"]):
        return False
    if includes.get("arches") and arch not in includes["arches"]:
        return False
    if any(name not in capabilities for name in includes.get("caps") or ()):
        return False
    return not includes.get("minKernel") or kernel >= kernel_version(includes["minKernel"])


def _any_of(names: Collection[str] | None, capabilities: Collection[str]) -> bool:
    return any(name in capabilities for name in names or ())


def _resolve_rule(rule: dict[str, Any]) -> dict[str, Any]:
    names = rule.get("names") or ([rule["name"]] if rule.get("name") else [])
    resolved: dict[str, Any] = {"names": names, "action": rule["action"]}
    for key in ("args", "errnoRet"):
        if rule.get(key):
            resolved[key] = rule[key]
    return resolved
