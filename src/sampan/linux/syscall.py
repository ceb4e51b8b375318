# SPDX-License-Identifier: Apache-2.0
"""The C library and the one way to call the kernel through it.

Every wrapper in this package ends in `call` (a numbered system call) or `check` (a libc function), so that a
failure is always a `SyscallError`: an `OSError` that also knows which call failed and on which path. It is at
the same time the built-in subclass of its errno (`FileNotFoundError`, `PermissionError` …), so callers may
catch either.

Numbered calls are used where glibc 2.31 or musl has no wrapper. Numbers from 424 upwards are the same on
every architecture. The oldest kernel supported is 5.14 (RHEL 9; Debian 12 has 6.1).
"""

from __future__ import annotations

import ctypes
import errno
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# PyDLL keeps the GIL: these calls are short, and a clone must not let another thread of Python in between.
libc = ctypes.PyDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long

AT_FDCWD = -100
AT_SYMLINK_NOFOLLOW = 0x100
AT_NO_AUTOMOUNT = 0x800
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000


class SyscallError(OSError):
    """A system call failed: `call` is its name, `filename` the path it was about, if any."""

    call = ""

    def __str__(self) -> str:
        subject = f"{self.call} {self.filename}" if self.filename else self.call
        return f"{subject}: {describe_errno(self.errno or 0)}"


def _subclass(kind: type[OSError]) -> type[SyscallError]:
    return type(f"Syscall{kind.__name__}", (SyscallError, kind), {})


_KINDS = {
    errno.ENOENT: _subclass(FileNotFoundError),
    errno.EEXIST: _subclass(FileExistsError),
    errno.EACCES: _subclass(PermissionError),
    errno.EPERM: _subclass(PermissionError),
    errno.ENOTDIR: _subclass(NotADirectoryError),
    errno.EISDIR: _subclass(IsADirectoryError),
    errno.ESRCH: _subclass(ProcessLookupError),
    errno.ECHILD: _subclass(ChildProcessError),
    errno.EAGAIN: _subclass(BlockingIOError),
    errno.EINTR: _subclass(InterruptedError),
}


def describe_errno(number: int) -> str:
    """Return the kernel's reason in the form messages use here: lower case, no full stop."""
    text = os.strerror(number)
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


def failure(call_name: str, path: str | None = None, *, number: int | None = None) -> SyscallError:
    """Return the exception for the current (or the given) errno."""
    number = ctypes.get_errno() if number is None else number
    error = _KINDS.get(number, SyscallError)(number, os.strerror(number), path)
    error.call = call_name
    return error


def check(result: int, call_name: str, path: str | None = None) -> int:
    """Return `result`, or raise for the errno of the libc call that has just returned -1."""
    if result == -1:
        raise failure(call_name, path)
    return result


def call(name: str, number: int, *arguments: Any, path: str | None = None) -> int:
    """Make a system call by number; integers are widened to registers, None becomes a null pointer."""
    registers = [
        ctypes.c_ulong(value & 0xFFFFFFFFFFFFFFFF)
        if isinstance(value, int)
        else ctypes.c_void_p(None)
        if value is None
        else value
        for value in arguments
    ]
    return check(libc.syscall(ctypes.c_long(number), *registers), name, path)


def per_machine(x86_64: int, generic: int) -> int:
    """Choose the number of an old system call: x86-64 has its own table."""
    return x86_64 if os.uname().machine == "x86_64" else generic
