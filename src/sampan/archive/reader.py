# SPDX-License-Identifier: Apache-2.0
"""Reading tar archives from a stream that may be hostile, member by member.

Implements: POSIX ustar and pax; GNU long names, long links and sparse files (archive.sparse); star and V7
headers.
Holds: memory stays bounded whatever the archive says; a stream that ends inside a member is InvalidArchive
naming it. Like the tars of Go, Python and GNU it takes an end between members for the end of the archive.
Not here: what a name means on disk (archive.extract).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Protocol

from sampan.archive import header as tar
from sampan.archive import pax, sparse
from sampan.archive.entry import Entry, InvalidArchive, Kind
from sampan.archive.header import BLOCK_BYTES, ZERO_BLOCK, Header, decode_header, padding

CHUNK_BYTES = 1 << 20

_KINDS = {
    tar.REGULAR: Kind.FILE,
    tar.OLD_REGULAR: Kind.FILE,
    tar.CONTIGUOUS: Kind.FILE,
    tar.GNU_SPARSE: Kind.FILE,
    tar.LINK: Kind.LINK,
    tar.SYMLINK: Kind.SYMLINK,
    tar.CHARACTER: Kind.CHARACTER,
    tar.BLOCK: Kind.BLOCK,
    tar.DIRECTORY: Kind.DIRECTORY,
    tar.FIFO: Kind.FIFO,
}
_SKIPPED = frozenset({tar.GNU_VOLUME})


class Readable(Protocol):
    """Bytes from somewhere; an empty result is the end, a short one is not."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes."""


class TarReader:
    """Iterate to get entries; between two of them, read the data of the first with `read` or `chunks`."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._remaining = 0
        self._padding = 0
        self._global: dict[bytes, bytes] = {}
        self._member = "the archive's first member"

    def __iter__(self) -> Iterator[Entry]:
        while True:
            entry = self._next()
            if entry is None:
                return
            self._member = entry.name
            yield entry

    def read(self, size: int) -> bytes:
        """Up to `size` bytes of the current member's data; empty at its end."""
        size = min(size, self._remaining)
        data = self._stream.read(size) if size else b""
        if size and not data:
            raise self._truncated()
        self._remaining -= len(data)
        return data

    def chunks(self) -> Iterator[bytes]:
        """The current member's data, as stored (see Entry.segments)."""
        while self._remaining:
            yield self.read(CHUNK_BYTES)

    def skip(self) -> None:
        """The caller has moved the stream past the current member's data."""
        self._remaining = 0

    def drain(self) -> None:
        """Read what follows the end mark, so that a digest of the stream covers all of it."""
        while self._stream.read(CHUNK_BYTES):
            pass

    def _next(self) -> Entry | None:
        """The next member, after whatever extended headers precede it."""
        records: list[tuple[bytes, bytes]] = []
        long_name = long_link = None
        while (block := self._next_header()) is not None:
            header = decode_header(block)
            if header.size < 0:
                raise InvalidArchive(f"archive member {_show(header.name)} has a negative size")
            if header.type in (tar.PAX, tar.SOLARIS_PAX):
                records = list(pax.iter_records(self._metadata(header)))
            elif header.type == tar.PAX_GLOBAL:
                self._update_global(header)
            elif header.type == tar.GNU_LONG_NAME:
                long_name = self._metadata(header).partition(b"\0")[0]
            elif header.type == tar.GNU_LONG_LINK:
                long_link = self._metadata(header).partition(b"\0")[0]
            elif header.type in _SKIPPED:
                self._begin(header.size)
            else:
                return self._entry(header, block, records, long_name, long_link)
        return None

    def _next_header(self) -> bytes | None:
        """The next block that is not the end mark; a single zero block is taken for one, too."""
        for _ in self.chunks():
            pass
        if self._padding:
            self._exactly(self._padding)
            self._padding = 0
        block = self._upto(BLOCK_BYTES)
        if not block or block == ZERO_BLOCK:
            return None
        if len(block) < BLOCK_BYTES:
            raise InvalidArchive(f"archive ends in the header after {self._member}")
        return block

    def _entry(
        self,
        header: Header,
        block: bytes,
        record_list: list[tuple[bytes, bytes]],
        long_name: bytes | None,
        long_link: bytes | None,
    ) -> Entry:
        records = {**self._global, **dict(record_list)}
        records = {key: value for key, value in records.items() if value or key.startswith(pax.XATTR)}
        raw_name = records.get(b"path", header.name if long_name is None else long_name)
        name = _decode_name(records.get(b"GNU.sparse.name", raw_name))
        kind = _KINDS.get(header.type)
        if kind is None:
            raise InvalidArchive(f"archive member {name} has the unknown type {header.type!r}")
        if kind is Kind.FILE and name.endswith("/"):
            kind = Kind.DIRECTORY  # how V7 tar wrote directories
        stored = pax.decode_integer(records[b"size"]) if b"size" in records else header.size
        # Only regular files have data; some writers give links the size of what they point at.
        self._member = name
        self._begin(stored if kind is Kind.FILE or header.type == tar.DIRECTORY else 0)
        size, segments = self._sparse(header, block, records, record_list)
        return Entry(
            name=name,
            kind=kind,
            mode=header.mode,
            uid=_identity(records.get(b"uid"), header.uid, name),
            gid=_identity(records.get(b"gid"), header.gid, name),
            size=size if kind is Kind.FILE else 0,
            mtime_ns=_time(records.get(b"mtime"), header.mtime),
            link=_decode_name(records.get(b"linkpath", header.link if long_link is None else long_link)),
            major=header.major,
            minor=header.minor,
            xattrs=pax.extended_attributes(records),
            segments=segments,
        )

    def _sparse(
        self,
        header: Header,
        block: bytes,
        records: dict[bytes, bytes],
        record_list: list[tuple[bytes, bytes]],
    ) -> tuple[int, sparse.Segments | None]:
        """The size of the file and, if it is sparse, its map; what the map took of the data is consumed."""
        if header.type == tar.GNU_SPARSE:
            segments, real_size = sparse.decode_old_gnu(block, lambda: self._exactly(BLOCK_BYTES))
        elif records.get(b"GNU.sparse.major") == b"1":
            segments = sparse.decode_pax_1(self._data_block)
            real_size = pax.decode_integer(records.get(b"GNU.sparse.realsize", b"0"))
        elif sparse.is_pax_0(records):
            segments = sparse.decode_pax_0(record_list)
            real_size = pax.decode_integer(records.get(b"GNU.sparse.size", b"0"))
        else:
            return self._remaining, None
        return real_size, sparse.checked(segments, real_size, self._remaining)

    def _update_global(self, header: Header) -> None:
        for key, value in pax.iter_records(self._metadata(header)):
            if value:
                self._global[key] = value
            else:
                self._global.pop(key, None)

    def _begin(self, size: int) -> None:
        self._remaining = size
        self._padding = padding(size)

    def _metadata(self, header: Header) -> bytes:
        """The data of an extended header, which is kept in memory and so may not be large."""
        if header.size > pax.MAX_HEADER_BYTES:
            raise InvalidArchive(f"archive has an extended header of {header.size} bytes")
        data = self._exactly(header.size)
        self._exactly(padding(header.size))
        return data

    def _data_block(self) -> bytes:
        if self._remaining < BLOCK_BYTES:
            raise self._truncated()
        self._remaining -= BLOCK_BYTES
        return self._exactly(BLOCK_BYTES)

    def _exactly(self, size: int) -> bytes:
        data = self._upto(size)
        if len(data) < size:
            raise self._truncated()
        return data

    def _upto(self, size: int) -> bytes:
        data = self._stream.read(size) if size else b""
        while len(data) < size:
            more = self._stream.read(size - len(data))
            if not more:
                break
            data += more
        return data

    def _truncated(self) -> InvalidArchive:
        return InvalidArchive(f"unexpected EOF: archive is truncated in member {self._member}")


def _decode_name(raw: bytes) -> str:
    if b"\0" in raw:
        raise InvalidArchive(f"archive member {_show(raw)} has a zero byte in its name")
    return os.fsdecode(raw)


def _show(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


def _time(record: bytes | None, seconds: int) -> int:
    return seconds * 1_000_000_000 if record is None else pax.decode_time(record)


def _identity(record: bytes | None, number: int, name: str) -> int:
    value = number if record is None else pax.decode_integer(record)
    if not 0 <= value < 0xFFFFFFFF:
        raise InvalidArchive(f"archive member {name} has the impossible owner {value}")
    return value
