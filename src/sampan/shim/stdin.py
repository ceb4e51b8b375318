# SPDX-License-Identifier: Apache-2.0
"""A program's standard input: what clients type, kept until the program takes it."""

from __future__ import annotations

import os

from sampan.shim.loop import OUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from sampan.shim.loop import Loop

_FULL_BYTES = 64 << 10


class Stdin:
    """The writing end of a pipe, or a pty's master; not blocking."""

    __slots__ = ("_backlog", "_closing", "_fd", "_loop", "_on_room")

    def __init__(self, loop: Loop, fd: int, on_room: Callable[[], None]) -> None:
        self._loop = loop
        self._fd = fd
        self._backlog = bytearray()
        self._closing = False
        self._on_room = on_room
        """Called when `is_full` has become false again."""
        os.set_blocking(fd, False)

    @property
    def is_full(self) -> bool:
        """True while more has come than the program has taken: nobody should send more."""
        return len(self._backlog) >= _FULL_BYTES

    def write(self, data: bytes) -> None:
        """Pass `data` on, now or as soon as there is room; a program that has closed its end loses it."""
        if self._fd < 0 or self._closing:
            return
        self._backlog += data
        self._flush()

    def close_when_written(self) -> None:
        """Let the program see the end of file after all that has been written so far."""
        self._closing = True
        self._flush()

    def close(self) -> None:
        """Close at once."""
        if self._fd >= 0:
            self._loop.forget(self._fd)
            os.close(self._fd)
            self._fd = -1
        self._backlog.clear()

    def _flush(self, _events: int = 0) -> None:
        was_full = self.is_full
        try:
            while self._backlog:
                del self._backlog[: os.write(self._fd, self._backlog)]
        except BlockingIOError:
            self._loop.watch(self._fd, OUT, self._flush)
        except OSError:  # EPIPE, or EIO of a terminal that nobody has open
            self.close()
        else:
            self._loop.forget(self._fd)
            if self._closing:
                self.close()
        if was_full and not self.is_full:
            self._on_room()
