# SPDX-License-Identifier: Apache-2.0
"""RPM's database, as far as it is SQLite (Fedora 33, RHEL 9, openSUSE and later).

Implements: RPM's header format (counts, index entries, store), of which the table Packages has one a package.
Holds: a database is somebody else's: it is opened as a copy, read-only, and what is wrong in it is left out. Older ones
(Berkeley DB, ndb) are not read.
"""

from __future__ import annotations

import contextlib
import sqlite3
import struct
from collections.abc import Iterator

from sampan.build.attestation.packages import Package

_NAME, _VERSION, _RELEASE, _EPOCH = 1000, 1001, 1002, 1003
_VENDOR, _LICENSE, _ARCHITECTURE, _SOURCE = 1011, 1014, 1022, 1044
_INT32, _STRING, _I18NSTRING = 4, 6, 9
_WANTED = frozenset((_NAME, _VERSION, _RELEASE, _EPOCH, _VENDOR, _LICENSE, _ARCHITECTURE, _SOURCE))
_ENTRY_BYTES = 16
_MAX_ENTRIES = 1 << 16


def read_rpm(path: str, place: str) -> list[Package]:
    """The packages of a database that has been copied to `path`."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as database:
            rows = database.execute("SELECT blob FROM Packages ORDER BY hnum").fetchall()
    except sqlite3.Error:
        return []
    found = (_package(parse_header(row[0]), place) for row in rows if isinstance(row[0], bytes))
    return [package for package in found if package is not None]


def parse_header(blob: bytes) -> dict[int, str]:
    """The strings and numbers that matter, by their tags."""
    found: dict[int, str] = {}
    try:
        count, size = struct.unpack_from(">II", blob)
        store = 8 + min(count, _MAX_ENTRIES) * _ENTRY_BYTES
        for tag, kind, offset in _iter_entries(blob, min(count, _MAX_ENTRIES)):
            if tag in _WANTED and 0 <= offset < size:
                found.setdefault(tag, _value(blob, kind, store + offset))
    except struct.error:
        pass
    return found


def _iter_entries(blob: bytes, count: int) -> Iterator[tuple[int, int, int]]:
    for number in range(count):
        tag, kind, offset, _ = struct.unpack_from(">IIiI", blob, 8 + number * _ENTRY_BYTES)
        yield tag, kind, offset


def _value(blob: bytes, kind: int, place: int) -> str:
    if kind == _INT32:
        return str(struct.unpack_from(">I", blob, place)[0])
    if kind in (_STRING, _I18NSTRING):
        return blob[place : max(blob.find(b"\0", place), place)].decode(errors="replace")
    return ""


def _package(fields: dict[int, str], place: str) -> Package | None:
    name, version = fields.get(_NAME, ""), fields.get(_VERSION, "")
    if not name or not version or name == "gpg-pubkey":
        return None
    epoch = f"{fields[_EPOCH]}:" if fields.get(_EPOCH, "0") != "0" else ""
    release = f"-{fields[_RELEASE]}" if fields.get(_RELEASE) else ""
    return Package(
        "rpm",
        name,
        f"{epoch}{version}{release}",
        fields.get(_ARCHITECTURE, ""),
        license=fields.get(_LICENSE, ""),
        supplier=fields.get(_VENDOR, ""),
        source=fields.get(_SOURCE, ""),
        place=place,
    )
