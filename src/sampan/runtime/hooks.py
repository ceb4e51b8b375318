# SPDX-License-Identifier: Apache-2.0
"""Hooks: programs run at set points of a container's life (runtime-spec: POSIX-platform hooks).

Each gets the container's state as JSON on its standard input. One that fails or takes longer than its timeout
is an error, except after the container has started or gone: then it is only worth a warning.
"""

from __future__ import annotations

import json
import os
import signal

from sampan.linux import process
from sampan.runtime.failure import SetupFailed
from sampan.runtime.program import parse_environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn


def run_hooks(hooks: list[dict[str, Any]], state: dict[str, Any]) -> None:
    """Run hooks in their order; the first that fails ends it."""
    for hook in hooks:
        _run(hook, json.dumps(state).encode())


def run_late_hooks(hooks: list[dict[str, Any]], state: dict[str, Any]) -> list[str]:
    """Run hooks in their order and return what is to be warned of."""
    warnings = []
    for hook in hooks:
        try:
            _run(hook, json.dumps(state).encode())
        except (SetupFailed, OSError) as error:
            warnings.append(str(error))
    return warnings


def _run(hook: dict[str, Any], state: bytes) -> None:
    memory = os.memfd_create("state", os.MFD_CLOEXEC)
    os.write(memory, state)
    os.lseek(memory, 0, os.SEEK_SET)
    pid = os.fork()
    if pid == 0:
        _become(hook, memory)
    os.close(memory)
    pidfd = process.pidfd_open(pid)
    try:
        timeout = hook.get("timeout")
        in_time = process.has_ended(pidfd, -1 if timeout is None else timeout * 1000)
        if not in_time:
            os.kill(pid, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    finally:
        os.close(pidfd)
    if not in_time:
        raise SetupFailed(f"hook {hook['path']}: took longer than {timeout} s", stage="hook")
    if code:
        raise SetupFailed(f"hook {hook['path']}: ended with {code}", stage="hook")


def _become(hook: dict[str, Any], state_fd: int) -> NoReturn:
    try:
        process.reset_signals()
        os.dup2(state_fd, 0, inheritable=True)
        process.mark_close_on_exec(3)
        arguments = hook.get("args") or [hook["path"]]
        os.execve(hook["path"], arguments, parse_environment(hook.get("env") or ()))  # noqa: S606
    finally:
        os._exit(127)
