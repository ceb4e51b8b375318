# SPDX-License-Identifier: Apache-2.0
"""A container's log file: the format, and the writer that every shim has.

A file is eight bytes of magic, then frames; a frame is what one read(2) of the container's output returned,
so writing costs nothing per line and a frame may end in the middle of one::

    time in ns  u64 │ length u32 │ 0x5AF0 u16 │ stream u8 │ flags u8 │ payload │ length u32   (little endian)

The length after the payload lets `tail` read backwards. What a crash or a full disk leaves unfinished at
the end is ignored by readers and cut off by the next writer. When the next frame would make the file larger
than it may be, ``log`` becomes ``log.1``, ``log.1`` becomes ``log.2`` and so on: older files are whole and
never change.

A log that cannot be written never stops a container: its frames are dropped until it can be written again.
"""

from __future__ import annotations

import os
import struct

STDOUT, STDERR = 1, 2
"""Streams, numbered as in Docker's frames."""

DEFAULT_MAX_SIZE_BYTES = 64 << 20
DEFAULT_MAX_FILES = 5

MAGIC = b"SAMPANL1"
HEADER = struct.Struct("<QIHBB")
TRAILER = struct.Struct("<I")
OVERHEAD = HEADER.size + TRAILER.size
MARK = 0x5AF0
MAX_PAYLOAD = 128 << 10
"""The longest payload of a frame; anything longer is split by the writer and taken for damage by a reader."""


class LogWriter:
    """Appends frames to a log and rotates it; one writer a log."""

    __slots__ = ("_fd", "_max_files", "_max_size_bytes", "_path", "_size")

    def __init__(
        self,
        path: str,
        *,
        max_size_bytes: int = DEFAULT_MAX_SIZE_BYTES,
        max_files: int = DEFAULT_MAX_FILES,
    ) -> None:
        self._path = path
        self._max_size_bytes = max_size_bytes
        self._max_files = max(1, max_files)
        self._fd = _open(path)
        self._size = _repair(self._fd)

    def write(self, timestamp_ns: int, stream: int, data: bytes) -> None:
        """Append what was read from `stream` at that time."""
        for start in range(0, len(data), MAX_PAYLOAD):
            self._append(timestamp_ns, stream, data[start : start + MAX_PAYLOAD])

    def close(self) -> None:
        """Close the file; nothing is buffered here."""
        os.close(self._fd)

    def _append(self, timestamp_ns: int, stream: int, payload: bytes) -> None:
        length = len(payload)
        if self._size + length + OVERHEAD > self._max_size_bytes and self._size > len(MAGIC):
            self._rotate()
        header = HEADER.pack(timestamp_ns, length, MARK, stream, 0)
        parts = (b"" if self._size else MAGIC, header, payload, TRAILER.pack(length))
        try:
            written = os.writev(self._fd, parts)
        except OSError:
            return
        if written == sum(map(len, parts)):
            self._size += written
        else:  # the disk is full
            os.ftruncate(self._fd, self._size)

    def _rotate(self) -> None:
        try:
            for age in range(self._max_files - 1, 0, -1):
                _rename(generation(self._path, age - 1), generation(self._path, age))
            if self._max_files == 1:
                os.unlink(self._path)
            fresh = _open(self._path)
            size = _repair(fresh)
        except OSError:  # go on with the file that is open
            return
        os.close(self._fd)
        self._fd, self._size = fresh, size


def generation(path: str, age: int) -> str:
    """Return the name of a log that has been rotated `age` times."""
    return f"{path}.{age}" if age else path


def whole_size(fd: int) -> int:
    """Return where the last complete frame ends: found at once unless the file is torn."""
    size = os.fstat(fd).st_size
    if size <= len(MAGIC):
        return size if os.pread(fd, len(MAGIC), 0) == MAGIC else 0
    return size if _ends_whole(fd, size) else _scan(fd, size)


def _ends_whole(fd: int, size: int) -> bool:
    """Tell whether a frame ends at `size`: the lengths on both its ends agree."""
    if size == len(MAGIC):
        return True
    (length,) = TRAILER.unpack(os.pread(fd, TRAILER.size, size - TRAILER.size).ljust(TRAILER.size))
    start = size - length - OVERHEAD
    return bool(start >= len(MAGIC) and _payload_length(fd, start) == length)


def _scan(fd: int, size: int) -> int:
    end = len(MAGIC)
    while (length := _payload_length(fd, end)) is not None and end + length + OVERHEAD <= size:
        end += length + OVERHEAD
    return end


def _payload_length(fd: int, start: int) -> int | None:
    header = os.pread(fd, HEADER.size, start)
    if len(header) < HEADER.size:
        return None
    _, length, mark, _, _ = HEADER.unpack(header)
    return length if mark == MARK and length <= MAX_PAYLOAD else None


def _open(path: str) -> int:
    return os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)


def _repair(fd: int) -> int:
    """Cut off an unfinished frame; return the size."""
    size = whole_size(fd)
    if size < os.fstat(fd).st_size:
        os.ftruncate(fd, size)
    return size


def _rename(old: str, new: str) -> None:
    try:
        os.rename(old, new)
    except FileNotFoundError:
        return
