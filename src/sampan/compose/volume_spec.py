# SPDX-License-Identifier: Apache-2.0
"""The short form of a service's volume, ``SOURCE:TARGET:OPTIONS``, as the long one.

A source that begins like a path is a bind mount, anything else names a volume. Options that are not known
are passed over, as compose does.
"""

from __future__ import annotations

import posixpath

from sampan.compose.tree import Table
from sampan.errors import InvalidArgument

_PROPAGATIONS = frozenset(("rprivate", "private", "rshared", "shared", "rslave", "slave"))
_SELINUX = frozenset(("z", "Z"))


def parse_volume(text: str) -> Table:
    """The long form; InvalidArgument says what cannot be read."""
    if not text:
        raise InvalidArgument("invalid empty volume spec")
    if len(text) <= 2:
        return Table([("type", "volume"), ("target", text)])
    sections = _split(text)
    if any(not section for section in sections):
        raise InvalidArgument(f"invalid spec: {text}: empty section between colons")
    if len(sections) > 3:
        raise InvalidArgument(f"invalid spec: {text}: too many colons")
    if len(sections) == 1:
        return _with_type(Table([("target", _clean(sections[0]))]), set())
    volume = Table([("source", sections[0]), ("target", _clean(sections[1]))])
    options = sections[2].split(",") if len(sections) == 3 else []
    for option in options:
        if option in ("ro", "rw"):
            volume["read_only"] = option == "ro"
    if not volume.get("read_only", True):
        del volume["read_only"]
    return _with_type(volume, set(options))


def _split(text: str) -> list[str]:
    """At the colons, but not at those of a variable or of a Windows drive."""
    sections, depth, start = [], 0, 0
    for index, character in enumerate(text):
        if text.startswith("${", index):
            depth += 1
        elif character == "}" and depth:
            depth -= 1
        elif character == ":" and not depth and not (index == start + 1 and text[start].isalpha()):
            sections.append(text[start:index])
            start = index + 1
    sections.append(text[start:])
    return sections


def _with_type(volume: Table, options: set[str]) -> Table:
    bind = Table()
    for option in sorted(options):
        if option in _PROPAGATIONS:
            bind["propagation"] = option
        elif option in _SELINUX:
            bind["selinux"] = option
    settings = Table([("nocopy", True)] if "nocopy" in options else [])
    if _is_path(volume.get("source", "")):
        volume["type"] = "bind"
        bind["create_host_path"] = True
        volume["bind"] = bind
        if settings:
            volume["volume"] = settings
    else:
        volume["type"] = "volume"
        volume["volume"] = settings
        if bind:
            volume["bind"] = bind
    return volume


def _is_path(source: str) -> bool:
    if source.startswith((".", "/", "~", "\\\\")):
        return True
    return len(source) > 1 and source[0].isalpha() and source[1] == ":"


def _clean(target: str) -> str:
    return clean_path(target) if target else ""


def clean_path(path: str) -> str:
    """The shortest form of a path in a container."""
    cleaned = posixpath.normpath(path)
    return cleaned[1:] if cleaned.startswith("//") else cleaned
