# SPDX-License-Identifier: Apache-2.0
"""One engine at a time looks which subnets of this network are free and takes one.

Two that start together would choose the same, and the kernel lets two bridges have one subnet. The lock is on the
network namespace itself, which is what they share; the kernel drops it when its holder dies.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

_LIMIT_S = 2.0
_POLL_S = 0.005


@contextmanager
def sole_planner() -> Iterator[None]:
    """Hold the lock; who cannot have it within a moment goes on without, for others may hold it for ever."""
    fd = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        end = time.monotonic() + _LIMIT_S
        while not _try_lock(fd) and time.monotonic() < end:
            time.sleep(_POLL_S)
        yield
    finally:
        os.close(fd)


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
