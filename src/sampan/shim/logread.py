# SPDX-License-Identifier: Apache-2.0
"""Reading a container's log while its shim writes and rotates it.

Holds: frames come in the order they were written, across rotations; each file is followed by its inode, so
a rotation in the middle of a read neither repeats nor loses a frame. Damage ends that file and the next
goes on. Not here: waiting for more (the caller polls `read_available` or watches the directory).
"""

from __future__ import annotations

import os

from sampan.shim.logfile import HEADER, MAGIC, MARK, MAX_PAYLOAD, OVERHEAD, generation
from sampan.shim.logtail import Position, locate_tail

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    Frame = tuple[int, int, bytes]
    """(time in ns, stream, payload)"""

_CHUNK = MAX_PAYLOAD + OVERHEAD
"""How much is read at once: at least one whole frame."""


class LogReader:
    """Reads frames from the oldest file on, or only what belongs to the last `tail` lines."""

    __slots__ = ("_files", "_offset", "_path", "_since_ns", "_starts", "_until_ns", "finished")

    def __init__(
        self, path: str, *, tail: int | None = None, since_ns: int = 0, until_ns: int | None = None
    ) -> None:
        self._path = path
        self._since_ns = since_ns
        self._until_ns = until_ns
        self.finished = False
        """True once a frame later than `until_ns` has been seen: nothing more can come."""
        self._files = open_generations(path)
        self._offset = len(MAGIC)
        self._starts: dict[int, Position] = {}
        if tail is not None:
            self._skip_to_tail(tail)

    def read_available(self) -> list[Frame]:
        """Return the next frames, up to about 128 kB; none means: nothing more at present."""
        while not self.finished:
            before = self._offset
            if frames := self._read_chunk():
                return frames
            if self._offset == before and not self._next_file():
                break
        return []

    def close(self) -> None:
        """Close all files."""
        for fd in self._files:
            os.close(fd)
        self._files = []

    def _skip_to_tail(self, lines: int) -> None:
        first, self._starts = locate_tail(self._files, lines)
        for fd in self._files[: first.file]:
            os.close(fd)
        del self._files[: first.file]
        self._offset = first.offset
        for start in self._starts.values():
            start.file -= first.file

    def _read_chunk(self) -> list[Frame]:
        if not self._files:
            self._files = open_generations(self._path)
            self._offset = len(MAGIC)
            if not self._files:
                return []
        chunk = os.pread(self._files[0], _CHUNK, self._offset)
        frames: list[Frame] = []
        position, size = 0, len(chunk)
        while position + OVERHEAD <= size:
            timestamp_ns, length, mark, stream, _ = HEADER.unpack_from(chunk, position)
            end = position + length + OVERHEAD
            if mark != MARK or length > MAX_PAYLOAD or end > size:
                break
            if self._wants(timestamp_ns):
                payload = chunk[position + HEADER.size : position + HEADER.size + length]
                self._keep(frames, (timestamp_ns, stream, payload), self._offset + position)
            position = end
        self._offset += position
        return frames

    def _wants(self, timestamp_ns: int) -> bool:
        if self._until_ns is not None and timestamp_ns > self._until_ns:
            self.finished = True
        return timestamp_ns >= self._since_ns and not self.finished

    def _keep(self, frames: list[Frame], frame: Frame, offset: int) -> None:
        """Append a frame, or the part of it that belongs to the tail."""
        timestamp_ns, stream, payload = frame
        if start := self._starts.get(stream):
            if (0, offset) < (start.file, start.offset):
                return
            del self._starts[stream]
            if (0, offset) == (start.file, start.offset):
                payload = payload[start.skip :]
        if payload:
            frames.append((timestamp_ns, stream, payload))

    def _next_file(self) -> bool:
        """Tell whether there is more to read, after moving on from a file that has been read to its end."""
        if not self._files:
            return False
        if len(self._files) == 1:
            self._files += self._newer_files()
            return len(self._files) > 1  # what came before the rotation is still to be read from this one
        os.close(self._files.pop(0))
        self._offset = len(MAGIC)
        for start in self._starts.values():
            start.file -= 1
        return True

    def _newer_files(self) -> list[int]:
        current = os.fstat(self._files[0]).st_ino
        try:
            if os.stat(self._path).st_ino == current:
                return []
        except FileNotFoundError:  # between the two steps of a rotation
            return []
        newer = open_generations(self._path)
        inodes = [os.fstat(fd).st_ino for fd in newer]
        seen = inodes.index(current) + 1 if current in inodes else 0
        for fd in newer[:seen]:
            os.close(fd)
        return newer[seen:]


def iter_frames(
    path: str, *, tail: int | None = None, since_ns: int = 0, until_ns: int | None = None
) -> Iterator[Frame]:
    """Yield the frames that are there now."""
    reader = LogReader(path, tail=tail, since_ns=since_ns, until_ns=until_ns)
    try:
        while frames := reader.read_available():
            yield from frames
    finally:
        reader.close()


def open_generations(path: str) -> list[int]:
    """Open all files of a log, oldest first.

    Opened from the newest to the oldest and told apart by inode, so that a rotation meanwhile hides none;
    while it renames, one name may be missing, two in a row are the end.
    """
    files: dict[int, int] = {}
    age = missing = 0
    while missing < 2:
        try:
            fd = os.open(generation(path, age), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            missing += 1
        else:
            missing = 0
            if files.setdefault(os.fstat(fd).st_ino, fd) != fd:
                os.close(fd)
        age += 1
    return list(files.values())[::-1]
