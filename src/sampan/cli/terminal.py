# SPDX-License-Identifier: Apache-2.0
"""The user's terminal: raw mode that is always undone, its size, and signals as bytes on a pipe.

Raw mode hands every key to the container's own terminal (termios(3), cfmakeraw, with output processing off
too). While `SignalPipe` is open no signal ends the process by itself, so what a ``finally`` promises is kept.
"""

from __future__ import annotations

import os
import termios
from _signal import (  # type: ignore[import-not-found] # `signal` itself loads enum
    SIG_IGN,
    SIGCHLD,
    SIGKILL,
    SIGPIPE,
    SIGSTOP,
    SIGURG,
    SIGWINCH,
    getsignal,
    set_wakeup_fd,
    signal,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Self

STDIN, STDOUT, STDERR = 0, 1, 2

_IFLAG, _OFLAG, _CFLAG, _LFLAG, _CC = 0, 1, 2, 3, 6
_REPEATED = 64  # more signals than this are held by nobody: they are told apart by number alone

# Neither of use to the program inside (SIGWINCH becomes a resize) nor possible to catch.
UNPROXIED = frozenset((SIGCHLD, SIGKILL, SIGPIPE, SIGSTOP, SIGURG, SIGWINCH))
_LEAVE_ALONE = frozenset((4, 5, 7, 8, 11, 31))  # faults of this process itself: ILL TRAP BUS FPE SEGV SYS
PROXIED = tuple(number for number in range(1, 32) if number not in UNPROXIED and number not in _LEAVE_ALONE)


class RawMode:
    """Puts a terminal into raw mode while the context is entered; does nothing to what is no terminal."""

    def __init__(self, descriptor: int = STDIN) -> None:
        self._descriptor = descriptor
        self._saved: list[Any] | None = None
        self._sigpipe: Any = None

    def __enter__(self) -> Self:
        if os.isatty(self._descriptor):
            # A reader of our output that goes away must not end us before the terminal is itself again.
            self._sigpipe = signal(SIGPIPE, SIG_IGN)
            self._saved = termios.tcgetattr(self._descriptor)
            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, raw_attributes(self._saved))
        return self

    def __exit__(self, *_exc: object) -> None:
        saved, self._saved = self._saved, None
        if saved is not None:
            signal(SIGPIPE, self._sigpipe)
            try:
                termios.tcsetattr(self._descriptor, termios.TCSADRAIN, saved)
            except termios.error:
                # The terminal was closed under us: there is nothing left to restore.
                return


def raw_attributes(attributes: list[Any]) -> list[Any]:
    """cfmakeraw(3) of a copy."""
    raw = [*attributes[:_CC], list(attributes[_CC])]
    raw[_IFLAG] &= ~(
        termios.IGNBRK
        | termios.BRKINT
        | termios.PARMRK
        | termios.ISTRIP
        | termios.INLCR
        | termios.IGNCR
        | termios.ICRNL
        | termios.IXON
    )
    raw[_OFLAG] &= ~termios.OPOST
    raw[_LFLAG] &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
    raw[_CFLAG] = (raw[_CFLAG] & ~(termios.CSIZE | termios.PARENB)) | termios.CS8
    raw[_CC][termios.VMIN], raw[_CC][termios.VTIME] = 1, 0
    return raw


def terminal_size(descriptor: int = STDOUT) -> tuple[int, int] | None:
    """Rows and columns, None where there is no terminal or it does not know."""
    try:
        size = os.get_terminal_size(descriptor)
    except OSError:
        return None
    return (size.lines, size.columns) if size.lines and size.columns else None


class SignalPipe:
    """Turns signals into bytes that a select loop can wait for; the old dispositions come back at the end."""

    def __init__(self, numbers: Iterable[int]) -> None:
        self._numbers = tuple(numbers)
        self._saved: list[tuple[int, Any]] = []
        self._wakeup = -1
        self._write = -1
        self.descriptor = -1

    def __enter__(self) -> Self:
        self.descriptor, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._wakeup = set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for number in self._numbers:
            self._saved.append((number, getsignal(number)))
            signal(number, _take_note)
        return self

    def __exit__(self, *_exc: object) -> None:
        for number, action in reversed(self._saved):
            signal(number, action)
        self._saved.clear()
        set_wakeup_fd(self._wakeup)
        os.close(self.descriptor)
        os.close(self._write)

    def take(self) -> list[int]:
        """The numbers of the signals that came since the last time, oldest first."""
        try:
            return list(os.read(self.descriptor, _REPEATED))
        except BlockingIOError:
            return []


def _take_note(_number: int, _frame: object) -> None:
    """Nothing: the number is on the pipe already, put there by the interpreter's C handler."""
