# SPDX-License-Identifier: Apache-2.0
"""Waiting for a process in the foreground: signals and a terminal are passed on, its code comes back."""

from __future__ import annotations

import os
import select
import signal
import termios
import tty

from sampan.linux import process, pty

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

_PASSED_ON = (
    signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2,
)  # fmt: skip


def relay(pid: int, pidfd: int, console_fd: int) -> int:
    """Return the exit code of `pid`, a child of ours: 128 + signal if it was killed by one."""
    _pass_signals_on(pidfd)
    if console_fd >= 0:
        _relay_terminal(pidfd, console_fd)
    else:
        process.has_ended(pidfd, -1)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return code if code >= 0 else 128 - code


def _pass_signals_on(pidfd: int) -> None:
    def forward(number: int, _: FrameType | None) -> None:
        try:
            process.pidfd_send_signal(pidfd, number)
        except ProcessLookupError:
            return  # it has just ended; so shall we

    for number in _PASSED_ON:
        signal.signal(number, forward)


def _relay_terminal(pidfd: int, console_fd: int) -> None:
    """Copy between our terminal (or whatever our streams are) and the container's until the process ends."""
    saved: list[Any] | None = None
    if os.isatty(0):
        saved = termios.tcgetattr(0)
        tty.setraw(0)
        _follow_size(console_fd)
    try:
        _copy_until_end(pidfd, console_fd)
    finally:
        if saved is not None:
            termios.tcsetattr(0, termios.TCSADRAIN, saved)


def _follow_size(console_fd: int) -> None:
    def resize(_: int, __: FrameType | None) -> None:
        pty.set_size(console_fd, *pty.get_size(0))

    signal.signal(signal.SIGWINCH, resize)
    resize(0, None)


def _copy_until_end(pidfd: int, console_fd: int) -> None:
    poll = select.poll()
    for fd in (0, console_fd, pidfd):
        poll.register(fd, select.POLLIN)
    while True:
        ready = {fd for fd, _ in poll.poll()}
        if console_fd in ready and not _copy(console_fd, 1):
            return
        if 0 in ready and not _copy(0, console_fd):
            poll.unregister(0)
        if pidfd in ready and console_fd not in ready:
            return


def _copy(source: int, target: int) -> bool:
    """Copy one piece; False at the end (a terminal whose last user has gone answers EIO)."""
    try:
        data = os.read(source, 65536)
    except OSError:
        return False
    rest = data
    while rest:
        rest = rest[os.write(target, rest) :]
    return bool(data)
