# SPDX-License-Identifier: Apache-2.0
"""Where caches go and come from: ``--cache-to``, ``--cache-from`` and the words of ``builder cache`` (pure).

Implements: docker buildx build, type=local (an OCI layout in a folder), type=registry and type=inline.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from sampan.errors import InvalidArgument, Unsupported
from sampan.oci.reference import parse_reference
from sampan.transport.location import Kind, Location
from sampan.transport.model import Sink, Source

_KINDS = ("inline", "local", "registry")
_TAG = "latest"
_FALSE = frozenset({"", "0", "f", "false"})


class OwnPlace(Protocol):
    """A place that only who asks for the build can reach: a folder of a client's."""

    name: str

    def open_source(self) -> Source:
        """For reading."""

    def open_sink(self) -> Sink:
        """For writing."""


@dataclass(frozen=True, slots=True)
class CachePlace:
    """One of them, by its location or its `own` way; an ``inline`` one has neither.

    `is_min`: only the image's own layers.
    """

    kind: str
    location: Location | None = None
    is_min: bool = False
    ignore_error: bool = False
    own: OwnPlace | None = None

    @property
    def shown(self) -> str:
        """What people call it."""
        if self.own is not None:
            return self.own.name
        return (self.location.path or self.location.name) if self.location is not None else self.kind

    @property
    def is_on_disk(self) -> bool:
        """Whether it is a folder or file of this machine."""
        return self.location is not None and self.location.kind is not Kind.REGISTRY


def parse_export(text: str) -> CachePlace:
    """A word of ``--cache-to``."""
    fields = _fields(text, "--cache-to")
    return plan_export(fields.pop("type"), fields)


def parse_import(text: str) -> CachePlace:
    """A word of ``--cache-from``; one without ``=`` is an image's or a cache's name on a registry."""
    fields = _fields(text, "--cache-from")
    return plan_import(fields.pop("type"), fields)


def plan_export(kind: str, attributes: Mapping[str, str]) -> CachePlace:
    """An export by its type and attributes."""
    flag = "--cache-to"
    mode = attributes.get("mode", "max")
    if mode not in ("min", "max"):
        raise InvalidArgument(f"{flag}: invalid mode {mode}: min or max")
    ignore = attributes.get("ignore-error", "").lower() not in _FALSE
    match kind:
        case "inline":
            return CachePlace("inline", None, is_min=True)
        case "local":
            path = _path(attributes.get("dest", ""), f"{flag} type=local: dest")
            location = Location(Kind.LAYOUT, path, attributes.get("tag") or _TAG)
            return CachePlace(kind, location, mode == "min", ignore)
        case "registry":
            return CachePlace(kind, _registry(attributes, flag), mode == "min", ignore)
    raise Unsupported(f"{flag} type={kind} is not supported", hint=f"one of {', '.join(_KINDS)} is")


def plan_import(kind: str, attributes: Mapping[str, str]) -> CachePlace:
    """An import by its type and attributes."""
    flag = "--cache-from"
    match kind:
        case "local":
            path = _path(attributes.get("src", ""), f"{flag} type=local: src")
            digest = attributes.get("digest", "")
            name = f"@{digest}" if digest else attributes.get("tag") or _TAG
            return CachePlace(kind, Location(Kind.LAYOUT, path, name))
        case "registry":
            return CachePlace(kind, _registry(attributes, flag))
    raise Unsupported(f"{flag} type={kind} is not supported", hint="one of local, registry is")


def parse_place(text: str) -> CachePlace:
    """The place of ``builder cache export|import``: a folder, a ``.tar`` file, or ``docker://NAME``."""
    if text.startswith("docker://"):
        return CachePlace("registry", Location(Kind.REGISTRY, name=str(parse_reference(text[9:]))))
    path = _path(text, "cache")
    kind = Kind.LAYOUT_ARCHIVE if path.endswith(".tar") else Kind.LAYOUT
    return CachePlace("local", Location(kind, path, _TAG))


def _registry(attributes: Mapping[str, str], flag: str) -> Location:
    reference = attributes.get("ref", "")
    if not reference:
        raise InvalidArgument(f"{flag} type=registry: ref is required")
    return Location(Kind.REGISTRY, name=str(parse_reference(reference)))


def _path(path: str, what: str) -> str:
    if not path:
        raise InvalidArgument(f"{what} is required")
    if not os.path.isabs(path):
        raise InvalidArgument(f"{what}: {path} is not an absolute path")
    return os.path.normpath(path)


def _fields(text: str, flag: str) -> dict[str, str]:
    if "=" not in text:
        return {"type": "registry", "ref": text}
    fields: dict[str, str] = {}
    for word in next(csv.reader([text])):
        key, equals, value = word.partition("=")
        if not equals:
            raise InvalidArgument(f"{flag} {text}: {word} is no KEY=VALUE")
        fields[key.strip().lower()] = value
    if not fields.get("type"):
        raise InvalidArgument(f"{flag} {text}: type is required")
    return fields
