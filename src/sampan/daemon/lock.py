# SPDX-License-Identifier: Apache-2.0
"""One engine a data root, and one a run root: locks that the kernel drops when their holder dies."""

from __future__ import annotations

import fcntl
import os

from sampan.errors import Conflict
from sampan.paths import Roots


class EngineLock:
    """Holds both roots for this process; the run root's lock file is the pid file."""

    def __init__(self, roots: Roots) -> None:
        self._fds: list[int] = []
        self._pid_file = roots.pid_file
        os.makedirs(roots.data, mode=0o711, exist_ok=True)
        os.makedirs(roots.run, mode=0o711, exist_ok=True)
        for root, path in ((roots.data, f"{roots.data}/engine.lock"), (roots.run, roots.pid_file)):
            self._fds.append(_lock(path, root))
        for fd in self._fds:
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let another engine in; the pid file disappears first."""
        os.unlink(self._pid_file)
        for fd in self._fds:
            os.close(fd)


def _lock(path: str, root: str) -> int:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(fd, 32, 0).decode().strip() or "unknown"
        os.close(fd)
        raise Conflict(
            f"{root}: another engine (process {holder}) uses this directory",
            hint="stop it with `sampan engine stop`, or give this one other --data-root and --run-root",
        ) from None
    return fd
