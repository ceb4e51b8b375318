# SPDX-License-Identifier: Apache-2.0
"""Where an image is or shall be, as people write it: ``TRANSPORT:WHERE``.

Implements: the names of containers-transports(5), whose grammar of each transport this is.
Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sampan.errors import InvalidArgument
from sampan.oci.reference import InvalidReference, Reference, parse_reference


class Kind(StrEnum):
    """The transports."""

    REGISTRY = "docker"
    LAYOUT = "oci"
    LAYOUT_ARCHIVE = "oci-archive"
    DOCKER_ARCHIVE = "docker-archive"
    DIRECTORY = "dir"
    STORE = "sampan"
    DAEMON = "docker-daemon"


_IN_FILES = frozenset({Kind.LAYOUT, Kind.LAYOUT_ARCHIVE, Kind.DOCKER_ARCHIVE, Kind.DIRECTORY})
_HINT = f"write TRANSPORT:WHERE with one of {', '.join(Kind)}: docker://python:3.12, oci:DIRECTORY:TAG"


@dataclass(frozen=True, slots=True)
class Location:
    """`path` is a file's or folder's; `name` is what the image is called there, as far as that was said."""

    kind: Kind
    path: str = ""
    name: str = ""

    def __str__(self) -> str:
        if self.kind in _IN_FILES:
            return f"{self.kind}:{self.path}" + (f":{self.name}" if self.name else "")
        return f"{self.kind}:{'//' if self.kind is Kind.REGISTRY else ''}{self.name}"

    @property
    def reference(self) -> Reference:
        """The name as a reference, ``:latest`` where it says nothing."""
        return parse_reference(self.name)


def parse_location(text: str) -> Location:
    """Read a location."""
    word, colon, rest = text.partition(":")
    try:
        kind = Kind(word)
    except ValueError:
        kind = None
    if kind is None or not colon or not rest:
        raise InvalidArgument(f"invalid image name {text!r}: it names no transport", hint=_HINT)
    if kind is Kind.REGISTRY:
        if not rest.startswith("//"):
            raise InvalidArgument(f"invalid image name {text!r}: after docker: come two slashes")
        return _named(kind, rest[2:], text)
    if kind in (Kind.STORE, Kind.DAEMON):
        return Location(kind, name=rest) if _is_id(rest) else _named(kind, rest, text)
    if kind is Kind.DIRECTORY:
        return Location(kind, rest)
    path, _, name = rest.partition(":")
    if not path:
        raise InvalidArgument(f"invalid image name {text!r}: it names no file", hint=_HINT)
    if kind is Kind.DOCKER_ARCHIVE and name and not name.startswith("@"):
        name = str(_parse(name, text))
    return Location(kind, path, name)


def _named(kind: Kind, name: str, text: str) -> Location:
    return Location(kind, name=str(_parse(name, text)))


def _parse(name: str, text: str) -> Reference:
    try:
        return parse_reference(name)
    except InvalidReference as error:
        raise InvalidReference(f"invalid image name {text!r}: {error.message}") from None


def _is_id(text: str) -> bool:
    """An engine also knows images by their ids; names that look so are meant as such."""
    digits = text.removeprefix("sha256:")
    return len(digits) in (12, 64) and all(letter in "0123456789abcdef" for letter in digits)
