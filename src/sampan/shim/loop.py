# SPDX-License-Identifier: Apache-2.0
"""A small epoll loop: descriptors with one callback each, and timers.

Level-triggered, so a callback may read as much as it likes and no more. The end of a process comes as a
byte in a pipe that Python's signal machinery writes (`on_child_exit`).
"""

from __future__ import annotations

import os
import select
import signal
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

IN, OUT, HUP, ERR = select.EPOLLIN, select.EPOLLOUT, select.EPOLLHUP, select.EPOLLERR


class Loop:
    """Runs callbacks until `stop`."""

    __slots__ = ("_callbacks", "_epoll", "_running", "_timers")

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callable[[int], None]] = {}
        self._timers: list[tuple[float, Callable[[], None]]] = []
        self._running = True

    def watch(self, fd: int, events: int, callback: Callable[[int], None]) -> None:
        """Call back with the events that happen; hang-ups and errors are always among them."""
        if fd in self._callbacks:
            self._epoll.modify(fd, events)
        else:
            self._epoll.register(fd, events)
        self._callbacks[fd] = callback

    def forget(self, fd: int) -> None:
        """Watch no longer; required before closing the descriptor, harmless if it is not watched."""
        if self._callbacks.pop(fd, None):
            self._epoll.unregister(fd)

    def call_after(self, delay_s: float, callback: Callable[[], None]) -> None:
        """Call back once, at the earliest after `delay_s`."""
        self._timers.append((time.monotonic() + delay_s, callback))

    def stop(self) -> None:
        """Return from `run` after the present callback."""
        self._running = False

    def run(self) -> None:
        """Run until stopped."""
        while self._running:
            for fd, events in self._epoll.poll(self._patience()):
                if self._running and (callback := self._callbacks.get(fd)):
                    callback(events)
            self._run_timers()

    def on_child_exit(self, callback: Callable[[], None]) -> None:
        """Call back when children may have ended; several ends may come as one call."""
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

        def drain(_events: int) -> None:
            os.read(reader, 512)
            callback()

        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _ignore)  # Python writes the byte only for signals that have a handler
        self.watch(reader, IN, drain)

    def _patience(self) -> float:
        if not self._timers:
            return -1
        return max(0.0, min(due for due, _ in self._timers) - time.monotonic())

    def _run_timers(self) -> None:
        if not self._timers:
            return
        now = time.monotonic()
        ready = [callback for due, callback in self._timers if due <= now]
        self._timers = [timer for timer in self._timers if timer[0] > now]
        for callback in ready:
            callback()


def _ignore(_number: int, _frame: object) -> None:
    """Be there."""
