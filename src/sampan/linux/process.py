# SPDX-License-Identifier: Apache-2.0
"""Processes: prctl(2), pidfds, descriptor ranges, keyrings, and the sealed copy of this executable.

`reexec_from_sealed_memfd` is the answer to CVE-2019-5736: a process that enters a container can be found
there as /proc/PID/exe and, through it, the host's file overwritten. A sealed memory file cannot be.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import select
import signal
import sys

from sampan.linux.mount import create_mount
from sampan.linux.resolve import RESOLVE_BENEATH, RESOLVE_NO_XDEV, openat2
from sampan.linux.syscall import SyscallError, call, check, libc, per_machine

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_KEEPCAPS = 8
PR_SET_NAME = 15
PR_CAPBSET_READ = 23
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47

SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE

_CLOSE_RANGE = 436
_CLOSE_RANGE_CLOEXEC = 4
_KEYCTL = per_machine(250, 219)
_KEYCTL_JOIN_SESSION_KEYRING = 1
_IOPRIO_SET = per_machine(251, 30)
_SCHED_SETATTR = per_machine(314, 274)
_RT_SIGACTION = per_machine(13, 134)
_SIGACTION_SIZE, _SIGSET_SIZE = 32, 8
_NO_KEYRINGS = (38, 95)  # ENOSYS, EOPNOTSUPP


def prctl(option: int, *arguments: int) -> int:
    """Operate on this process, with up to four integers."""
    registers = [ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)[:4]]
    return check(libc.prctl(ctypes.c_int(option), *registers), "prctl")


def set_child_subreaper() -> None:
    """Become the parent of orphaned descendants."""
    prctl(PR_SET_CHILD_SUBREAPER, 1)


def set_parent_death_signal(number: int) -> None:
    """Ask for a signal when the parent thread ends."""
    prctl(PR_SET_PDEATHSIG, number)


def set_dumpable(dumpable: bool) -> None:
    """Allow or forbid ptrace and /proc access by other processes of the same user; execve allows it again."""
    prctl(PR_SET_DUMPABLE, int(dumpable))


def set_no_new_privileges() -> None:
    """Make set-user-id programs and file capabilities powerless for this process and its children."""
    prctl(PR_SET_NO_NEW_PRIVS, 1)


def set_name(name: str) -> None:
    """Set the name that ps shows (15 bytes)."""
    check(libc.prctl(ctypes.c_int(PR_SET_NAME), ctypes.c_char_p(name.encode()[:15])), "prctl")


def set_hostname(name: str) -> None:
    """Set the host name of this UTS namespace."""
    encoded = name.encode()
    check(libc.sethostname(encoded, ctypes.c_size_t(len(encoded))), "sethostname", name)


def set_domainname(name: str) -> None:
    """Set the NIS domain name of this UTS namespace."""
    encoded = name.encode()
    check(libc.setdomainname(encoded, ctypes.c_size_t(len(encoded))), "setdomainname", name)


def set_personality(persona: int) -> None:
    """Set the execution domain, 32-bit machines' names for instance."""
    check(libc.personality(ctypes.c_ulong(persona)), "personality")


def set_io_priority(priority_class: int, priority: int) -> None:
    """Set the I/O priority of this process; class 1 real time, 2 best effort, 3 idle."""
    call("ioprio_set", _IOPRIO_SET, 1, 0, priority_class << 13 | priority)


class _SchedAttr(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_uint32),
        ("sched_policy", ctypes.c_uint32),
        ("sched_flags", ctypes.c_uint64),
        ("sched_nice", ctypes.c_int32),
        ("sched_priority", ctypes.c_uint32),
        ("sched_runtime", ctypes.c_uint64),
        ("sched_deadline", ctypes.c_uint64),
        ("sched_period", ctypes.c_uint64),
    ]


def set_scheduler(policy: int, *, flags: int, nice: int, priority: int, times: tuple[int, int, int]) -> None:
    """Set the scheduling of this process; `times` are runtime, deadline and period of SCHED_DEADLINE."""
    attributes = _SchedAttr(ctypes.sizeof(_SchedAttr), policy, flags, nice, priority, *times)
    call("sched_setattr", _SCHED_SETATTR, 0, ctypes.byref(attributes), 0)


def join_new_session_keyring(name: str) -> None:
    """Leave the host's session keyring for a new one; a kernel without keyrings is left alone."""
    try:
        call("keyctl", _KEYCTL, _KEYCTL_JOIN_SESSION_KEYRING, name.encode(), 0, 0, 0)
    except SyscallError as error:
        if isinstance(error, PermissionError) or error.errno in _NO_KEYRINGS:
            return
        raise


def mark_close_on_exec(first: int, last: int = 0x7FFFFFFF) -> None:
    """Have execve close all descriptors from `first` to `last`."""
    call("close_range", _CLOSE_RANGE, first, last, _CLOSE_RANGE_CLOEXEC)


def close_range(first: int, last: int = 0x7FFFFFFF) -> None:
    """Close all descriptors from `first` to `last`."""
    call("close_range", _CLOSE_RANGE, first, last, 0)


def keep_descriptors(keep: set[int], first: int = 3) -> None:
    """Close every descriptor from `first` upwards except `keep`."""
    for fd in sorted(fd for fd in keep if fd >= first):
        if fd > first:
            close_range(first, fd - 1)
        first = fd + 1
    close_range(first)


def pidfd_open(pid: int) -> int:
    """Return a descriptor for process `pid`, closed on exec."""
    return os.pidfd_open(pid, 0)


def pidfd_send_signal(pidfd: int, number: int) -> None:
    """Send a signal to exactly that process, or raise ProcessLookupError."""
    signal.pidfd_send_signal(pidfd, number)


def has_ended(pidfd: int, timeout_ms: int = 0) -> bool:
    """Tell whether that process has ended, waiting up to `timeout_ms` (-1: for ever)."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(timeout_ms))


def reset_signals() -> None:
    """Give every signal its default action and unblock all, as a new program expects.

    Behind Python's back: the only thing to follow is execve, and its own table takes ten times as long. Behind libc's,
    too: it hides its two internal signals, which its posix_spawn leaves ignored in whatever it starts.
    """
    default = ctypes.create_string_buffer(_SIGACTION_SIZE)  # all zero: SIG_DFL, no flags, no mask
    for number in range(1, signal.NSIG):
        libc.syscall(  # the kernel refuses those that cannot be changed
            ctypes.c_long(_RT_SIGACTION), ctypes.c_long(number), default, None, ctypes.c_long(_SIGSET_SIZE)
        )
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def is_sealed(fd: int) -> bool:
    """Tell whether a descriptor is a memory file that can never be written again."""
    try:
        return fcntl.fcntl(fd, fcntl.F_GET_SEALS) & SEALS == SEALS
    except OSError:
        return False


def copy_to_sealed_memfd(path: str) -> int:
    """Copy a file into a sealed memory file and return its descriptor."""
    memory = os.memfd_create("sampan", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    source = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        while os.sendfile(memory, source, None, 1 << 24):
            pass
    finally:
        os.close(source)
    fcntl.fcntl(memory, fcntl.F_ADD_SEALS, SEALS)
    return memory


def runs_from_sealed_memfd() -> bool:
    """Tell whether /proc/self/exe of this process is a sealed copy."""
    fd = os.open("/proc/self/exe", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return is_sealed(fd)
    finally:
        os.close(fd)


def reexec_from_sealed_memfd(arguments: list[str], environment: dict[str, str]) -> None:
    """Replace this process by `python ARGUMENTS` run from a sealed copy, or return if it already is one.

    `sys.executable` cannot be deduced from a memory file, nor the virtual environment from it, so argv[0]
    stays the path of the real interpreter: Python finds its prefix and pyvenv.cfg from that.
    """
    if runs_from_sealed_memfd():
        return
    memory = copy_to_sealed_memfd("/proc/self/exe")
    os.execve(memory, [sys.executable, *arguments], environment)  # noqa: S606


def write_own_attribute(name: str, text: str) -> None:
    """Write /proc/thread-self/attr/NAME of a procfs that nobody else can see."""
    tree = create_mount("proc")
    try:
        path = f"thread-self/attr/{name}"
        fd = openat2(tree, path, os.O_WRONLY, resolve=RESOLVE_BENEATH | RESOLVE_NO_XDEV)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)
    finally:
        os.close(tree)
