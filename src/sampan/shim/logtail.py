# SPDX-License-Identifier: Apache-2.0
"""Finding where the last lines of a log begin, by reading its frames backwards.

Both streams are counted together, an unfinished last line as one. Lines of the two streams may be cut into
frames that alternate, so each stream has its own beginning: the one found last is where reading starts.
"""

from __future__ import annotations

import os

from sampan.shim.logfile import HEADER, MAGIC, MAX_PAYLOAD, OVERHEAD, TRAILER, whole_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_CHUNK = 2 * (MAX_PAYLOAD + OVERHEAD)


class Position:
    """A place in a log: a file's index, the offset of a frame in it, and how many payload bytes to skip."""

    __slots__ = ("file", "offset", "skip")

    def __init__(self, file: int, offset: int, skip: int = 0) -> None:
        self.file = file
        self.offset = offset
        self.skip = skip


def locate_tail(files: Sequence[int], lines: int) -> tuple[Position, dict[int, Position]]:
    """Return where to start reading and, by stream, where what belongs to the last `lines` lines begins."""
    search = _Search(lines)
    here = Position(max(len(files) - 1, 0), whole_size(files[-1]) if files else len(MAGIC))
    for index in range(len(files) - 1, -1, -1):
        for offset, stream, payload in _iter_backwards(files[index]):
            if search.is_over():
                return here, search.starts
            here = Position(index, offset)
            search.look_at(here, stream, payload)
    return (here if search.is_over() else Position(0, len(MAGIC))), search.starts


class _Search:
    """What has been counted so far, going backwards; the first line of a stream in `_open` began earlier."""

    __slots__ = ("_open", "_remaining", "starts")

    def __init__(self, lines: int) -> None:
        self._remaining = lines
        self._open: set[int] = set()
        self.starts: dict[int, Position] = {}
        """Streams whose beginning is known."""

    def is_over(self) -> bool:
        """All lines are counted and each of them has its beginning."""
        return not self._remaining and not self._open

    def look_at(self, frame: Position, stream: int, payload: bytes) -> None:
        """Count the lines that end in this frame, or find where the stream's first wanted line begins."""
        if stream in self.starts:
            return
        if stream not in self._open and not payload.endswith(b"\n"):
            if not self._remaining:
                self.starts[stream] = Position(frame.file, frame.offset, len(payload))
                return
            self._count(stream, 1)
        newlines = payload.count(b"\n")
        if newlines <= self._remaining:
            self._count(stream, newlines)
            return
        newline = len(payload)
        for _ in range(self._remaining + 1):
            newline = payload.rfind(b"\n", 0, newline)
        self._remaining = 0
        self._open.discard(stream)
        self.starts[stream] = Position(frame.file, frame.offset, newline + 1)

    def _count(self, stream: int, lines: int) -> None:
        """Take lines off what is wanted; the earliest of them may have begun in an earlier frame."""
        if lines:
            self._remaining -= lines
            self._open.add(stream)


def _iter_backwards(fd: int) -> Iterator[tuple[int, int, bytes]]:
    """Yield (offset, stream, payload) of the whole frames, last first."""
    end = whole_size(fd)
    while end > len(MAGIC):
        base = max(len(MAGIC), end - _CHUNK)
        chunk = os.pread(fd, end - base, base)
        position = len(chunk)
        while position >= OVERHEAD:
            (length,) = TRAILER.unpack_from(chunk, position - TRAILER.size)
            start = position - length - OVERHEAD
            if start < 0:
                break
            stream = HEADER.unpack_from(chunk, start)[3]
            yield base + start, stream, chunk[start + HEADER.size : start + HEADER.size + length]
            position = start
        if base + position == end:  # damage: nothing more can be found from here
            return
        end = base + position
