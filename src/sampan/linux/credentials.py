# SPDX-License-Identifier: Apache-2.0
"""The user and the groups of this thread, by the system calls themselves (credentials(7)).

libc's own functions first make every thread of the process follow. A process that was cloned from one with threads
still has them in libc's list, and would wait for ever for one that was just being started.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

from sampan.linux.syscall import call, per_machine

if TYPE_CHECKING:
    from collections.abc import Sequence

_SETRESUID = per_machine(117, 147)
_SETRESGID = per_machine(119, 149)
_SETGROUPS = per_machine(116, 159)


def set_user(uid: int) -> None:
    """Set the real, effective and saved user id."""
    call("setresuid", _SETRESUID, uid, uid, uid)


def set_group(gid: int) -> None:
    """Set the real, effective and saved group id."""
    call("setresgid", _SETRESGID, gid, gid, gid)


def set_groups(gids: Sequence[int]) -> None:
    """Set the supplementary groups."""
    call("setgroups", _SETGROUPS, len(gids), (ctypes.c_uint32 * len(gids))(*gids))
