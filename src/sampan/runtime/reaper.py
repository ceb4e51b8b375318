# SPDX-License-Identifier: Apache-2.0
"""The built-in init (`docker run --init`): a first process that starts the program, passes signals on to it,
reaps orphans, and ends with the program's code.

It is asked for by the config's annotation `io.sampan.init: "true"`. The process stays this one, forked and
not executed, so nothing has to be mounted into the container; it has taken on the program's user,
capabilities and filter before.
"""

from __future__ import annotations

import os
import signal

from sampan.linux import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

ANNOTATION = "io.sampan.init"

_OWN = frozenset((signal.SIGCHLD, signal.SIGTTOU, signal.SIGTTIN))
_FAULTS = frozenset(
    (
        signal.SIGFPE,
        signal.SIGILL,
        signal.SIGSEGV,
        signal.SIGBUS,
        signal.SIGABRT,
        signal.SIGTRAP,
        signal.SIGSYS,
    )
)


def split_init() -> None:
    """Fork: returns in the child, which is to become the program; the parent stays as init for good."""
    awaited = set(signal.valid_signals()) - _FAULTS
    signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
    child = os.fork()
    if child == 0:
        _lead_foreground()
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        return
    process.close_range(3)
    process.set_name("sampan-init")
    _serve(child, awaited)


def _lead_foreground() -> None:
    """Become a process group of its own, the terminal's foreground one if there is a terminal."""
    os.setpgid(0, 0)
    if os.isatty(0):
        os.tcsetpgrp(0, os.getpid())  # SIGTTOU is blocked here, so this does not stop us


def _serve(child: int, awaited: set[signal.Signals]) -> NoReturn:
    while True:
        number = signal.sigwaitinfo(awaited).si_signo
        if number == signal.SIGCHLD:
            _reap(child)
        elif number not in _OWN:
            _forward(child, number)


def _forward(child: int, number: int) -> None:
    try:
        os.kill(child, number)
    except ProcessLookupError:
        return  # it has just ended; its SIGCHLD is on the way


def _reap(child: int) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)
