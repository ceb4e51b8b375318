# SPDX-License-Identifier: Apache-2.0
"""seccomp(2): installing a compiled filter. Compiling one is `seccomp_compiler`'s work."""

from __future__ import annotations

import ctypes

from sampan.linux.syscall import call, per_machine

_SECCOMP = per_machine(317, 277)
_SET_MODE_FILTER = 1
_INSTRUCTION_SIZE = 8  # struct sock_filter


class _Program(ctypes.Structure):
    _fields_ = [
        ("length", ctypes.c_ushort),
        ("filter", ctypes.c_char_p),
    ]


def install_filter(program: bytes, flags: int = 0) -> None:
    """Install a BPF program for this thread and all its children, for good.

    Needs no_new_privs, or CAP_SYS_ADMIN in this user namespace.
    """
    header = _Program(len(program) // _INSTRUCTION_SIZE, program)
    call("seccomp", _SECCOMP, _SET_MODE_FILTER, flags, ctypes.byref(header))
