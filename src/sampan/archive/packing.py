# SPDX-License-Identifier: Apache-2.0
"""Compressing layers: with gzip, which everybody reads and Docker's schema 2 can name, or where asked with zstd.

Holds: equal input, compression and level give equal output. Without a level it is the fastest that is worth it; gzip
of a level that was asked for is zlib's, whose levels people mean.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Protocol

import zstandard
from isal import isal_zlib

from sampan.archive.writer import Writable
from sampan.oci.media_type import Compression

_LEVEL = 1
_GZIP_LEVEL = 1
_GZIP_FORMAT = 31  # a gzip header, without name and time
_BLOCK = 1 << 18


@dataclass(frozen=True, slots=True)
class Packing:
    """How layers are to be compressed; `is_forced`: also those that are there in another way."""

    compression: Compression = Compression.GZIP
    level: int | None = None
    is_forced: bool = False


class Packer(Protocol):
    """Takes a tar, and gives what becomes of it to a file."""

    def write(self, data: bytes | bytearray | memoryview, /) -> int:
        """Take all of the bytes."""

    def close(self) -> None:
        """Write what is left; the file stays open."""


def open_packer(packing: Packing, out: Writable) -> Packer:
    """The packer for a compression."""
    match packing.compression:
        case Compression.NONE:
            return PlainWriter(out)
        case Compression.ZSTD:
            return ZstdWriter(out, packing.level)
        case Compression.GZIP:
            return GzipWriter(out, packing.level)


class PlainWriter:
    """Changes nothing."""

    def __init__(self, out: Writable) -> None:
        self._out = out

    def write(self, data: bytes | bytearray | memoryview, /) -> int:
        """Pass on the bytes."""
        self._out.write(data)
        return len(data)

    def close(self) -> None:
        """Nothing is left."""


class ZstdWriter:
    """Compresses into `out`; `close` ends the frame and leaves `out` open."""

    def __init__(self, out: Writable, level: int | None = None) -> None:
        self._out = out
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL if level is None else level).compressobj()

    def write(self, data: bytes | bytearray | memoryview, /) -> int:
        """Take all of the bytes."""
        if packed := self._compressor.compress(data):
            self._out.write(packed)
        return len(data)

    def close(self) -> None:
        """Write what is left."""
        self._out.write(self._compressor.flush())


class _Compressor(Protocol):
    def compress(self, data: bytearray | memoryview, /) -> bytes: ...

    def flush(self) -> bytes: ...


class GzipWriter:
    """Compresses into `out` as every registry and engine can read it: equal input gives equal output.

    ISA-L's output depends on the pieces that it is given, so these are always of one size.
    """

    def __init__(self, out: Writable, level: int | None = None) -> None:
        self._out = out
        self._rest = bytearray()
        self._compressor: _Compressor
        if level is None:
            self._compressor = isal_zlib.compressobj(level=_GZIP_LEVEL, wbits=_GZIP_FORMAT)
        else:
            self._compressor = zlib.compressobj(level, zlib.DEFLATED, _GZIP_FORMAT)

    def write(self, data: bytes | bytearray | memoryview, /) -> int:
        """Take all of the bytes."""
        start = 0
        with memoryview(data) as view:
            if self._rest:
                start = min(_BLOCK - len(self._rest), len(view))
                self._rest += view[:start]
                if len(self._rest) == _BLOCK:
                    self._compress(self._rest)
                    self._rest.clear()
            while len(view) - start >= _BLOCK:
                self._compress(view[start : start + _BLOCK])
                start += _BLOCK
            self._rest += view[start:]
        return len(data)

    def close(self) -> None:
        """Write what is left."""
        self._compress(self._rest)
        self._out.write(self._compressor.flush())

    def _compress(self, block: bytearray | memoryview) -> None:
        if packed := self._compressor.compress(block):
            self._out.write(packed)
