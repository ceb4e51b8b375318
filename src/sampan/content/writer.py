# SPDX-License-Identifier: Apache-2.0
"""Writing one blob: hashed on the way, visible only when it is whole.

Holds: leaving the `with` block without `commit` leaves nothing behind; a blob longer than announced is
refused as soon as that is known, and one with another digest is never named.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable
from secrets import token_hex
from typing import Self

from sampan.errors import DataCorrupt, DiskFull
from sampan.oci.digest import Digest, DigestMismatch


class SizeMismatch(DataCorrupt):
    """More or fewer bytes came than were announced."""

    def __init__(self, expected: int, actual: int) -> None:
        super().__init__(f"content has {actual} bytes, expected {expected}")
        self.expected = expected
        self.actual = actual


class BlobWriter:
    """``with store.writer() as writer: writer.write(…); digest = writer.commit()``."""

    def __init__(
        self,
        ingest: str,
        place: Callable[[Digest], str],
        *,
        expected: Digest | None = None,
        size_bytes: int | None = None,
    ) -> None:
        self.size_bytes = 0
        self._expected = expected
        self._expected_size = size_bytes
        self._place = place
        self._hash = hashlib.new(expected.algorithm if expected else "sha256")
        self._path: str | None = f"{ingest}/{token_hex(16)}"
        self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Append, and return how much that was: all of it."""
        view = memoryview(data).cast("B")
        self.size_bytes += len(view)
        if self._expected_size is not None and self.size_bytes > self._expected_size:
            raise SizeMismatch(self._expected_size, self.size_bytes)
        self._hash.update(view)
        while view:
            view = view[self._append(view) :]
        return len(data)

    @property
    def digest(self) -> Digest:
        """Of what is written so far."""
        return Digest.from_hash(self._hash)

    def commit(self, expected: Digest | None = None, *, durable: bool = True) -> Digest:
        """Check and name the blob. `durable`: it will also be there after a power cut."""
        digest = self._check(expected or self._expected)
        path = self._place(digest)
        assert self._path is not None
        if os.path.exists(path):
            self.close()
            return digest
        if durable:
            self._sync()
        os.rename(self._path, path)
        self._path = None
        self.close()
        if durable:
            _sync_directory(os.path.dirname(path))
        return digest

    def open_written(self) -> int:
        """A descriptor to read with what is written, also while more is; to be closed by the caller."""
        return os.open(f"/proc/self/fd/{self._fd}", os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        """Give up what is not committed."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        if self._path is not None:
            os.unlink(self._path)
            self._path = None

    def _check(self, expected: Digest | None) -> Digest:
        if self._expected_size is not None and self.size_bytes != self._expected_size:
            raise SizeMismatch(self._expected_size, self.size_bytes)
        digest = self.digest
        if expected is not None and digest != expected:
            raise DigestMismatch(expected, digest)
        return digest

    def _append(self, view: memoryview) -> int:
        try:
            return os.write(self._fd, view)
        except OSError as error:
            raise self._translated(error) from error

    def _sync(self) -> None:
        try:
            os.fsync(self._fd)
        except OSError as error:
            raise self._translated(error) from error

    def _translated(self, error: OSError) -> Exception:
        return DiskFull(os.path.dirname(self._path or "")) if error.errno == errno.ENOSPC else error


def _sync_directory(path: str) -> None:
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
