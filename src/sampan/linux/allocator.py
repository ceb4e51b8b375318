# SPDX-License-Identifier: Apache-2.0
"""What the C library's allocator keeps of memory that is free: mallopt(3), malloc_trim(3).

glibc gives threads heaps of their own, up to eight for each processor, and keeps what is freed in them. A process whose
threads come and go with its clients, each with buffers of megabytes, is left with a heap as large as the busiest moment
of each. Where the C library is another (musl), there is nothing to set and nothing is done.
"""

from __future__ import annotations

import ctypes

_M_ARENA_MAX = -8

_libc = ctypes.CDLL(None)


def bound_heaps(count: int) -> None:
    """Share this many heaps among all threads; before the first thread is started."""
    if hasattr(_libc, "mallopt"):
        _libc.mallopt(_M_ARENA_MAX, count)


def give_back_free_memory() -> bool:
    """Return free memory to the kernel and say whether there was any; other threads of Python go on meanwhile."""
    return hasattr(_libc, "malloc_trim") and bool(_libc.malloc_trim(0))
