# SPDX-License-Identifier: Apache-2.0
"""Lines out of log frames, for those who want a time before each (``logs --timestamps``)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    Line = tuple[int, int, bytes]
    """(time in ns, stream, the line with its newline if it has one)"""

LONGEST_LINE = 16 << 10
"""A longer line comes in parts, as Docker's do: a program that never ends its line must still be seen."""


class LineSplitter:
    """Joins the pieces of each stream's lines; a line has the time of its first piece."""

    __slots__ = ("_pending",)

    def __init__(self) -> None:
        self._pending: dict[int, tuple[int, bytes]] = {}

    def feed(self, timestamp_ns: int, stream: int, data: bytes) -> Iterator[Line]:
        """Yield the lines that this frame completes."""
        since_ns, rest = self._pending.pop(stream, (timestamp_ns, b""))
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            yield since_ns, stream, line + b"\n"
            since_ns = timestamp_ns
        while len(rest) >= LONGEST_LINE:
            yield since_ns, stream, rest[:LONGEST_LINE]
            since_ns, rest = timestamp_ns, rest[LONGEST_LINE:]
        if rest:
            self._pending[stream] = (since_ns, rest)

    def flush(self) -> Iterator[Line]:
        """Yield what was not ended by a newline."""
        for stream, (since_ns, rest) in self._pending.items():
            yield since_ns, stream, rest
        self._pending.clear()
