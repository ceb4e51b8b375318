# SPDX-License-Identifier: Apache-2.0
"""Streams that are hashed and counted while they pass."""

from __future__ import annotations

import hashlib

from sampan.archive.entry import ArchiveRefused
from sampan.archive.reader import Readable
from sampan.archive.writer import Writable
from sampan.oci.digest import Digest


class DigestReader:
    """Hands on what `stream` gives; `digest` is that of everything read so far."""

    def __init__(
        self, stream: Readable, algorithm: str = "sha256", *, limit_bytes: int | None = None
    ) -> None:
        self._stream = stream
        self._hash = hashlib.new(algorithm)
        self._limit_bytes = limit_bytes
        self.size_bytes = 0

    @property
    def digest(self) -> Digest:
        """The digest of what has been read."""
        return Digest.from_hash(self._hash)

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes."""
        data = self._stream.read(size)
        self._hash.update(data)
        self.size_bytes += len(data)
        if self._limit_bytes is not None and self.size_bytes > self._limit_bytes:
            raise ArchiveRefused(f"archive unpacks to more than {self._limit_bytes} bytes")
        return data


class DigestWriter:
    """Hands on what is written to `out` (None: nowhere); `digest` is that of everything written so far."""

    def __init__(self, out: Writable | None, algorithm: str = "sha256") -> None:
        self._out = out
        self._hash = hashlib.new(algorithm)
        self.size_bytes = 0

    @property
    def digest(self) -> Digest:
        """The digest of what has been written."""
        return Digest.from_hash(self._hash)

    def write(self, data: bytes | bytearray | memoryview, /) -> int:
        """Take all of the bytes."""
        self._hash.update(data)
        self.size_bytes += len(data)
        if self._out is not None:
            self._out.write(data)
        return len(data)
