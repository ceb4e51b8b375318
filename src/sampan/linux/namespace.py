# SPDX-License-Identifier: Apache-2.0
"""Namespaces: unshare(2), setns(2) and clone3(2).

`clone` is fork with namespaces: the child goes on from the same line with a copy of everything. It must be
called from a process with one thread only; Python's own fork hooks run around it as for `os.fork`.
"""

from __future__ import annotations

import ctypes
import os
import signal

from sampan.linux.syscall import call, check, libc

CLONE_NEWTIME = 0x80
CLONE_FS = 0x200
CLONE_PIDFD = 0x1000
CLONE_PARENT = 0x8000
CLONE_NEWNS = 0x20000
CLONE_NEWCGROUP = 0x2000000
CLONE_NEWUTS = 0x4000000
CLONE_NEWIPC = 0x8000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
CLONE_INTO_CGROUP = 0x200000000

FILES = {
    "user": CLONE_NEWUSER,
    "mnt": CLONE_NEWNS,
    "uts": CLONE_NEWUTS,
    "ipc": CLONE_NEWIPC,
    "net": CLONE_NEWNET,
    "cgroup": CLONE_NEWCGROUP,
    "pid": CLONE_NEWPID,
    "time": CLONE_NEWTIME,
}
"""File name under /proc/PID/ns → flag."""

_CLONE3 = 435


class _CloneArgs(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_uint64)
        for name in (
            "flags", "pidfd", "child_tid", "parent_tid", "exit_signal", "stack", "stack_size", "tls",
            "set_tid", "set_tid_size", "cgroup",
        )
    ]  # fmt: skip


def unshare(flags: int) -> None:
    """Enter new namespaces for this process (for its later children with CLONE_NEWPID)."""
    check(libc.unshare(ctypes.c_int(flags)), "unshare")


def setns(fd: int, flags: int = 0) -> None:
    """Join the namespace `fd`, or with a pidfd all of that process' namespaces named by `flags`."""
    check(libc.setns(ctypes.c_int(fd), ctypes.c_int(flags)), "setns")


def clone(flags: int, *, cgroup_fd: int | None = None) -> tuple[int, int]:
    """Fork into new namespaces: (pid, pidfd) in the parent, (0, -1) in the child.

    With `cgroup_fd` (a cgroup2 directory) the child is born in that cgroup, which spares the kernel's slow
    migration of a running process.
    """
    pidfd = ctypes.c_int(-1)
    arguments = _CloneArgs(flags=flags | CLONE_PIDFD, pidfd=ctypes.addressof(pidfd))
    if not flags & CLONE_PARENT:  # a sibling takes over this process' own exit signal
        arguments.exit_signal = signal.SIGCHLD.value
    if cgroup_fd is not None:
        arguments.flags |= CLONE_INTO_CGROUP
        arguments.cgroup = cgroup_fd
    ctypes.pythonapi.PyOS_BeforeFork()
    pid = -1
    try:
        pid = call("clone3", _CLONE3, ctypes.byref(arguments), ctypes.sizeof(arguments))
    finally:
        if pid == 0:
            ctypes.pythonapi.PyOS_AfterFork_Child()
        else:
            ctypes.pythonapi.PyOS_AfterFork_Parent()
    return pid, pidfd.value


def different_namespaces(pid: int) -> int:
    """Return the flags of those namespaces in which process `pid` is not together with this one."""
    flags = 0
    for name, flag in FILES.items():
        try:
            same = os.stat(f"/proc/{pid}/ns/{name}").st_ino == os.stat(f"/proc/self/ns/{name}").st_ino
        except FileNotFoundError:  # a kernel built without that kind
            continue
        flags |= 0 if same else flag
    return flags


def children_share_pids(pid: int) -> bool:
    """Tell whether children of this process are born in the pid namespace of process `pid`."""
    theirs = os.stat(f"/proc/{pid}/ns/pid").st_ino
    try:
        return os.stat("/proc/self/ns/pid_for_children").st_ino == theirs
    except FileNotFoundError:  # the namespace joined has no process yet
        return False
