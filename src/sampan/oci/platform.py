# SPDX-License-Identifier: Apache-2.0
"""Platforms: which machine an image is for, and which image a machine prefers.

Implements: OCI image-spec 1.1, image-index.md, "platform", with the spellings and the matching order of
github.com/containerd/platforms: ``x86_64`` is ``amd64``, ``aarch64`` is ``arm64``, and an arm/v7 machine also
runs v6 and v5.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from sampan.errors import InvalidArgument
from sampan.oci.document import JSONObject, get_string, get_strings

_ARCHITECTURES = {
    "i386": ("386", ""),
    "i686": ("386", ""),
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "ppc64el": ("ppc64le", ""),
    "loongarch64": ("loong64", ""),
}
_KNOWN = frozenset(
    (
        "386",
        "amd64",
        "arm",
        "arm64",
        "loong64",
        "mips64",
        "mips64le",
        "ppc64le",
        "riscv64",
        "s390x",
        *_ARCHITECTURES,
    )
)
_DEFAULT_VARIANTS = {"arm": "v7", "arm64": "v8"}
_ARM_VARIANTS = ("v8", "v7", "v6", "v5")
_PART = re.compile(r"[A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True)
class Platform:
    """``linux/arm/v7``: operating system, architecture, and which kind of it."""

    os: str
    architecture: str
    variant: str = ""
    os_version: str = ""
    os_features: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    @property
    def plain(self) -> Platform:
        """As images name it: without arm64's only variant."""
        is_implied = (self.architecture, self.variant) == ("arm64", "v8")
        variant = "" if is_implied else self.variant
        return Platform(self.os, self.architecture, variant, self.os_version, self.os_features)

    def normalised(self) -> Platform:
        """The one spelling that platforms are compared in."""
        architecture, implied = _ARCHITECTURES.get(self.architecture.lower(), (self.architecture.lower(), ""))
        variant = self.variant.lower() or implied
        if variant.isdigit():
            variant = f"v{variant}"
        variant = variant or _DEFAULT_VARIANTS.get(architecture, "")
        return Platform(self.os.lower(), architecture, variant, self.os_version, self.os_features)


def parse_platform(text: str) -> Platform:
    """Read ``os/arch[/variant]``, ``arch`` or ``os``; what is left out is the host's."""
    parts = text.split("/")
    if len(parts) > 3 or not all(_PART.fullmatch(part) for part in parts):
        raise InvalidArgument(f"{text!r} is an invalid OS/architecture/variant")
    if len(parts) == 1 and parts[0].lower() in ("linux", "windows", "darwin", "freebsd"):
        return Platform(parts[0].lower(), host_platform().architecture).normalised()
    if len(parts) == 1:
        if parts[0].lower() not in _KNOWN:
            raise InvalidArgument(f'"{text}": unknown operating system or architecture: invalid argument')
        parts = ["linux", *parts]
    system, architecture, variant = [*parts, ""][:3]
    return Platform(system, architecture, variant).normalised()


def host_platform(machine: str | None = None) -> Platform:
    """The platform of this machine (`machine`: as ``uname -m`` spells it)."""
    return Platform("linux", machine or os.uname().machine).normalised()


def match_rank(wanted: Platform, offered: Platform) -> int | None:
    """How well an image for `offered` serves `wanted`: 0 is exact, more is older; None is not at all."""
    wanted, offered = wanted.normalised(), offered.normalised()
    if (wanted.os, wanted.architecture) != (offered.os, offered.architecture):
        return None
    if wanted.variant == offered.variant:
        return 0
    if wanted.architecture == "arm":
        return _arm_rank(wanted.variant, offered.variant)
    # amd64/v2, v3 … images need a machine that is known to be of that level.
    return 1 if not offered.variant else None


def decode_platform(source: JSONObject, what: str) -> Platform:
    """A descriptor's or an image config's platform fields."""
    return Platform(
        os=get_string(source, "os", what),
        architecture=get_string(source, "architecture", what),
        variant=get_string(source, "variant", what),
        os_version=get_string(source, "os.version", what),
        os_features=get_strings(source, "os.features", what),
    )


def encode_platform(platform: Platform) -> JSONObject:
    """The platform object of a descriptor in an index."""
    fields: JSONObject = {"architecture": platform.architecture, "os": platform.os}
    if platform.os_version:
        fields["os.version"] = platform.os_version
    if platform.os_features:
        fields["os.features"] = list(platform.os_features)
    if platform.variant:
        fields["variant"] = platform.variant
    return fields


def _arm_rank(wanted: str, offered: str) -> int | None:
    if wanted not in _ARM_VARIANTS or offered not in _ARM_VARIANTS:
        return None
    distance = _ARM_VARIANTS.index(offered) - _ARM_VARIANTS.index(wanted)
    return distance if distance > 0 else None
