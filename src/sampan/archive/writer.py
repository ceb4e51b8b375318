# SPDX-License-Identifier: Apache-2.0
"""Writing tar archives whose bytes depend on nothing but what is put in.

Implements: POSIX ustar, with a pax header only for a member that needs one.
Holds: equal entries and data give equal bytes, in every version of this package: the digests of layers that
are regenerated from snapshots depend on it. So there are no user names, no times but whole seconds of mtime,
and records are sorted.
"""

from __future__ import annotations

import os
from typing import Protocol

from sampan.archive import header as tar
from sampan.archive.entry import Entry, Kind
from sampan.archive.header import (
    MAX_NAME,
    MAX_OCTAL_7,
    MAX_OCTAL_11,
    Header,
    encode_header,
    padding,
    split_name,
)
from sampan.archive.pax import XATTR, encode_records
from sampan.errors import Unavailable

_BUFFER_BYTES = 1 << 20
_TYPES = {
    Kind.FILE: tar.REGULAR,
    Kind.LINK: tar.LINK,
    Kind.SYMLINK: tar.SYMLINK,
    Kind.CHARACTER: tar.CHARACTER,
    Kind.BLOCK: tar.BLOCK,
    Kind.DIRECTORY: tar.DIRECTORY,
    Kind.FIFO: tar.FIFO,
}


class Writable(Protocol):
    """Where bytes go; `write` takes all of them."""

    def write(self, data: bytes | bytearray | memoryview, /) -> object:
        """Take the bytes."""


class FileChanged(Unavailable):
    """A file became shorter while it was being archived."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} was changed while it was read")
        self.name = name


class TarWriter:
    """Add entries, then `close`. Small members are gathered into large writes."""

    def __init__(self, out: Writable) -> None:
        self._out = out
        self._buffer = memoryview(bytearray(_BUFFER_BYTES))
        self._used = 0

    def add(self, entry: Entry, source: int | None = None) -> None:
        """Add a member; a file's data are the next `entry.size` bytes of the descriptor `source`."""
        self._put(encode_entry(entry))
        if entry.kind is Kind.FILE and entry.size:
            assert source is not None
            self._copy(entry, source)

    def add_bytes(self, entry: Entry, data: bytes) -> None:
        """Add a file whose data are in memory."""
        assert len(data) == entry.size
        self._put(encode_entry(entry))
        self._put(data)
        self._put(bytes(padding(len(data))))

    def close(self) -> None:
        """Write the end mark. The stream stays open."""
        self._put(bytes(2 * tar.BLOCK_BYTES))
        self._flush()

    def _copy(self, entry: Entry, source: int) -> None:
        remaining = entry.size
        while remaining:
            if self._used == _BUFFER_BYTES:
                self._flush()
            room = self._buffer[self._used : min(_BUFFER_BYTES, self._used + remaining)]
            count = os.readv(source, [room])
            if count == 0:
                raise FileChanged(entry.name)
            self._used += count
            remaining -= count
        self._put(bytes(padding(entry.size)))

    def _put(self, data: bytes) -> None:
        if len(data) > _BUFFER_BYTES - self._used:
            self._flush()
        if len(data) > _BUFFER_BYTES:
            self._out.write(data)
            return
        self._buffer[self._used : self._used + len(data)] = data
        self._used += len(data)

    def _flush(self) -> None:
        if self._used:
            self._out.write(self._buffer[: self._used])
            self._used = 0


def encode_entry(entry: Entry) -> bytes:
    """The header blocks of a member: a pax header if there is need for one, and the ustar header."""
    name = os.fsencode(entry.name)
    if entry.kind is Kind.DIRECTORY and not name.endswith(b"/"):
        name += b"/"
    link = os.fsencode(entry.link)
    mtime = entry.mtime_ns // 1_000_000_000
    size = entry.size if entry.kind is Kind.FILE else 0
    records = _records(entry, name=name, link=link, mtime=mtime, size=size)
    block = encode_header(
        Header(
            name=name if b"path" not in records else _portable(name),
            type=_TYPES[entry.kind],
            mode=entry.mode & 0o7777,
            uid=entry.uid if entry.uid <= MAX_OCTAL_7 else 0,
            gid=entry.gid if entry.gid <= MAX_OCTAL_7 else 0,
            size=size if size <= MAX_OCTAL_11 else 0,
            mtime=mtime if 0 <= mtime <= MAX_OCTAL_11 else 0,
            link=link if b"linkpath" not in records else _portable(link),
            major=entry.major,
            minor=entry.minor,
        )
    )
    return _extended_header(name, records) + block if records else block


def _records(entry: Entry, *, name: bytes, link: bytes, mtime: int, size: int) -> dict[bytes, bytes]:
    """What does not fit into the header block."""
    records = {XATTR + os.fsencode(key): value for key, value in entry.xattrs.items()}
    if not name.isascii() or split_name(name) is None:
        records[b"path"] = name
    if not link.isascii() or len(link) > MAX_NAME:
        records[b"linkpath"] = link
    if not 0 <= mtime <= MAX_OCTAL_11:
        records[b"mtime"] = b"%d" % mtime
    for key, value in ((b"uid", entry.uid), (b"gid", entry.gid)):
        if value > MAX_OCTAL_7:
            records[key] = b"%d" % value
    if size > MAX_OCTAL_11:
        records[b"size"] = b"%d" % size
    return records


def _extended_header(name: bytes, records: dict[bytes, bytes]) -> bytes:
    data = encode_records(sorted(records.items()))
    base = name.rstrip(b"/").rpartition(b"/")[2]
    header = Header(_portable(b"PaxHeaders.0/" + base), tar.PAX, mode=0o644, size=len(data))
    return encode_header(header) + data + bytes(padding(len(data)))


def _portable(name: bytes) -> bytes:
    """What a reader that knows no pax shows: ASCII, cut to the field."""
    return name.decode("ascii", "replace").encode("ascii", "replace")[:MAX_NAME].rstrip(b"/")
