# SPDX-License-Identifier: Apache-2.0
"""Annotations of a built image: where each belongs, and for which platform (pure).

Implements: BuildKit's attributes ``annotation[-TYPE][PLATFORM].KEY``, which docker buildx build makes of
``--annotation [TYPE,…[PLATFORM]:]KEY=VALUE``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sampan.errors import InvalidArgument
from sampan.oci.platform import Platform, parse_platform

MANIFEST, INDEX = "manifest", "index"
MANIFEST_DESCRIPTOR, INDEX_DESCRIPTOR = "manifest-descriptor", "index-descriptor"
LEVELS = (MANIFEST, INDEX, MANIFEST_DESCRIPTOR, INDEX_DESCRIPTOR)

_ATTRIBUTE = re.compile(r"annotation(?:-([a-z-]+))?(?:\[([A-Za-z0-9_/-]+)\])?\.(\S+)")


@dataclass(frozen=True, slots=True)
class Annotation:
    """One of them; without a platform it is for all."""

    level: str
    key: str
    value: str
    platform: Platform | None = None


@dataclass(frozen=True, slots=True)
class Annotations:
    """All of a result's."""

    every: tuple[Annotation, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.every)

    def at(self, level: str, platform: Platform | None = None) -> dict[str, str]:
        """Those of one level; a platform's own come after those for all."""
        chosen = [one for one in self.every if one.level == level]
        own = [one for one in chosen if one.platform is not None and one.platform == platform]
        return {one.key: one.value for one in [*(x for x in chosen if x.platform is None), *own]}

    @property
    def need_index(self) -> bool:
        """Whether any is about an index."""
        return any(one.level in (INDEX, INDEX_DESCRIPTOR) for one in self.every)


def is_annotation(name: str) -> bool:
    """Whether an attribute is one."""
    return name.startswith("annotation")


def parse_annotations(attributes: Mapping[str, str]) -> Annotations:
    """Those among an exporter's attributes."""
    return Annotations(
        tuple(_parse(name, value) for name, value in attributes.items() if is_annotation(name))
    )


def _parse(name: str, value: str) -> Annotation:
    match = _ATTRIBUTE.fullmatch(name)
    if match is None:
        raise InvalidArgument(f"invalid annotation {name}: expected annotation[-TYPE][[PLATFORM]].KEY")
    level, platform, key = match.groups()
    if level is not None and level not in LEVELS:
        raise InvalidArgument(f"unrecognized annotation type {level}", hint=f"one of {', '.join(LEVELS)}")
    if platform and level in (INDEX, INDEX_DESCRIPTOR):
        raise InvalidArgument(f"invalid annotation {name}: an index is of all platforms")
    return Annotation(level or MANIFEST, key, value, parse_platform(platform) if platform else None)
