# SPDX-License-Identifier: Apache-2.0
"""Holding the engine's memory to what it needs: what a busy moment took is given back when it is over.

Holds: threads share few heaps, and about once a minute, if anything has grown since, what is free in them returns to
the kernel. Python's own objects are not the matter: they are the same before and after.
"""

from __future__ import annotations

import asyncio
import os

from sampan.linux.allocator import bound_heaps, give_back_free_memory

HEAPS = 2
INTERVAL_S = 60.0
GROWTH_BYTES = 8 << 20
"""Less than that is not worth looking for."""


def resident_bytes() -> int:
    """What this process has in memory (proc_pid_statm(5))."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Memory:
    """Watches one process: the one it is made in."""

    def __init__(self, interval_s: float = INTERVAL_S) -> None:
        bound_heaps(HEAPS)
        self._interval_s = interval_s
        self._least = resident_bytes()

    async def tend(self) -> None:
        """Give back what is free, again and again, until cancelled."""
        while True:
            await asyncio.sleep(self._interval_s)
            if resident_bytes() - self._least >= GROWTH_BYTES:
                await asyncio.to_thread(give_back_free_memory)
                self._least = resident_bytes()
