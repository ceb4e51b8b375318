# SPDX-License-Identifier: Apache-2.0
"""The bytes of regular files: copied inside the kernel where that can be, holes as holes, and hashed.

Implements: lseek(2), SEEK_DATA and SEEK_HOLE; ioctl_ficlone(2); copy_file_range(2).
Holds: a large file has the same digest with holes and with zeros in their place, and holes are not read for it.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import struct
from collections.abc import Callable, Iterator

from sampan.errors import Cancelled

_FICLONE = 0x40049409
_CHUNK_BYTES = 1 << 30
_BLOCK_BYTES = 1 << 20
_LARGE_BYTES = 64 << 20
_NOT_HERE = (errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, errno.ENOTTY, errno.EBADF)


class Copying:
    """How files of one step are copied: what the file system could not do once is not tried again."""

    def __init__(self, is_stopped: Callable[[], bool] = lambda: False) -> None:
        self._is_stopped = is_stopped
        self._can_clone = True
        self._can_copy = True

    def copy(self, source: int, target: int) -> None:
        """The content of an open file into an empty one."""
        status = os.fstat(source)
        if status.st_size == 0 or self._clone(source, target):
            return
        if status.st_blocks * 512 >= status.st_size:
            self._copy_range(source, target, 0, status.st_size)
            return
        for start, end in iter_data(source, status.st_size):
            self._copy_range(source, target, start, end)
        os.ftruncate(target, status.st_size)

    def _clone(self, source: int, target: int) -> bool:
        if self._can_clone:
            try:
                fcntl.ioctl(target, _FICLONE, source)
            except OSError as error:
                if error.errno not in _NOT_HERE:
                    raise
                self._can_clone = False
        return self._can_clone

    def _copy_range(self, source: int, target: int, start: int, end: int) -> None:
        """As much of the range as there is: a file may become shorter meanwhile."""
        os.lseek(source, start, os.SEEK_SET)
        os.lseek(target, start, os.SEEK_SET)
        left = end - start
        while left > 0 and (count := self._copy_some(source, target, min(left, _CHUNK_BYTES))):
            left -= count
            if self._is_stopped():
                raise Cancelled("copy stopped")

    def _copy_some(self, source: int, target: int, count: int) -> int:
        if self._can_copy:
            try:
                return os.copy_file_range(source, target, count)
            except OSError as error:
                if error.errno not in _NOT_HERE:
                    raise
                self._can_copy = False  # another file system, or one without the call
        return os.sendfile(target, source, None, count)


def iter_data(fd: int, size: int) -> Iterator[tuple[int, int]]:
    """The parts of an open file that are no holes."""
    position = 0
    while position < size:
        try:
            start = os.lseek(fd, position, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:  # there is only a hole behind
                raise
            return
        position = os.lseek(fd, start, os.SEEK_HOLE)
        yield start, min(position, size)


def hash_content(fd: int, size: int) -> bytes:
    """The digest of an open file from its beginning."""
    if size >= _LARGE_BYTES:
        return _hash_blocks(fd, size)
    hasher = hashlib.sha256()
    buffer = bytearray(min(_BLOCK_BYTES, size + 1))
    view = memoryview(buffer)
    while count := os.readv(fd, [buffer]):
        hasher.update(view[:count])
    return hasher.digest()


def _hash_blocks(fd: int, size: int) -> bytes:
    """The blocks that are not all zeros, each with its number."""
    hasher = hashlib.sha256(b"blocks\0")
    zeros = bytes(_BLOCK_BYTES)
    after = 0
    for start, end in iter_data(fd, size):
        for number in range(max(start // _BLOCK_BYTES, after), -(-end // _BLOCK_BYTES)):
            block = os.pread(fd, min(_BLOCK_BYTES, size - number * _BLOCK_BYTES), number * _BLOCK_BYTES)
            if block != zeros[: len(block)]:
                hasher.update(struct.pack(">Q", number))
                hasher.update(block)
            after = number + 1
    hasher.update(struct.pack(">Q", size))
    return hasher.digest()
