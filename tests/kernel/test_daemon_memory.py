# SPDX-License-Identifier: Apache-2.0
"""What threads freed goes back to the kernel; in a process of its own, for the test's has a heap of its own history."""

from __future__ import annotations

import subprocess
import sys

GROW_AND_TEND = """
import asyncio, threading, time
from sampan.daemon.memory import Memory, resident_bytes

def work(kept):
    blocks = [b"x" * 100_000 for _ in range(100)]
    barrier.wait()
    kept.append(b"y" * 2000)  # behind the blocks: the heap cannot simply shrink
    del blocks

async def main():
    memory = Memory(interval_s=0.05)
    before = resident_bytes()
    kept = []
    threads = [threading.Thread(target=work, args=(kept,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    task = asyncio.create_task(memory.tend())
    deadline = time.monotonic() + 20
    while resident_bytes() - before >= 10 << 20 and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    task.cancel()
    print((resident_bytes() - before) >> 20)

barrier = threading.Barrier(8)
asyncio.run(main())
"""


def test_what_threads_have_freed_goes_back_to_the_kernel() -> None:
    done = subprocess.run(
        [sys.executable, "-c", GROW_AND_TEND], capture_output=True, text=True, timeout=60, check=True
    )
    assert int(done.stdout) < 10, "of some eighty million bytes"
