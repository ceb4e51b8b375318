# SPDX-License-Identifier: Apache-2.0
"""Compressing layers: with gzip, which everybody reads and Docker's schema 2 can name, or where asked with zstd."""

from __future__ import annotations

import zstandard
from isal import isal_zlib

from sampan.archive.writer import Writable

_LEVEL = 1
_GZIP_LEVEL = 1
_GZIP_FORMAT = 31  # a gzip header, without name and time


class ZstdWriter:
    """Compresses into `out`; `close` ends the frame and leaves `out` open."""

    def __init__(self, out: Writable) -> None:
        self._out = out
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL).compressobj()

    def write(self, data: bytes | bytearray | memoryview, /) -> int:
        """Take all of the bytes."""
        if packed := self._compressor.compress(data):
            self._out.write(packed)
        return len(data)

    def close(self) -> None:
        """Write what is left."""
        self._out.write(self._compressor.flush())


class GzipWriter:
    """Compresses into `out` as every registry and engine can read it: equal input gives equal output."""

    def __init__(self, out: Writable) -> None:
        self._out = out
        self._compressor = isal_zlib.compressobj(level=_GZIP_LEVEL, wbits=_GZIP_FORMAT)

    def write(self, data: bytes | bytearray | memoryview, /) -> int:
        """Take all of the bytes."""
        if packed := self._compressor.compress(data):
            self._out.write(packed)
        return len(data)

    def close(self) -> None:
        """Write what is left."""
        self._out.write(self._compressor.flush())
