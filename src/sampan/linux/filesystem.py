# SPDX-License-Identifier: Apache-2.0
"""Whole filesystems: writing out everything that one of them has in memory."""

from __future__ import annotations

import ctypes

from sampan.linux.syscall import check

# Unlike the calls in `syscall`, this one may take seconds: other threads of Python go on meanwhile.
_libc = ctypes.CDLL(None, use_errno=True)


def syncfs(fd: int) -> None:
    """Write the filesystem that `fd` is on to its disk."""
    check(_libc.syncfs(ctypes.c_int(fd)), "syncfs")
