# SPDX-License-Identifier: Apache-2.0
"""Mounts: mount(2) and the descriptor-based interface of Linux 5.2 to 5.12.

Inside a container's root only the descriptor-based calls are used: a mount is made detached (`open_tree`,
`create_mount`), changed while nobody can see it (`set_attributes`), and then put on a directory that is
already open (`attach`). No path is resolved twice, so a symbolic link swapped in between changes nothing
(CVE-2021-30465).
"""

from __future__ import annotations

import ctypes
import os

from sampan.linux.syscall import AT_EMPTY_PATH, AT_FDCWD, AT_RECURSIVE, call, check, libc, per_machine

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_NOATIME = 0x400
MS_BIND = 0x1000
MS_MOVE = 0x2000
MS_REC = 0x4000
MS_UNBINDABLE = 0x20000
MS_PRIVATE = 0x40000
MS_SLAVE = 0x80000
MS_SHARED = 0x100000
MS_RELATIME = 0x200000

MNT_FORCE = 1
MNT_DETACH = 2
UMOUNT_NOFOLLOW = 8

MOUNT_ATTR_RDONLY = 0x1
MOUNT_ATTR_NOSUID = 0x2
MOUNT_ATTR_NODEV = 0x4
MOUNT_ATTR_NOEXEC = 0x8
MOUNT_ATTR_ATIME = 0x70  # the mask of the three below
MOUNT_ATTR_RELATIME = 0x0
MOUNT_ATTR_NOATIME = 0x10
MOUNT_ATTR_STRICTATIME = 0x20
MOUNT_ATTR_NODIRATIME = 0x80
MOUNT_ATTR_IDMAP = 0x100000
MOUNT_ATTR_NOSYMFOLLOW = 0x200000

_PIVOT_ROOT = per_machine(155, 41)
_OPEN_TREE, _MOVE_MOUNT, _FSOPEN, _FSCONFIG, _FSMOUNT, _MOUNT_SETATTR = 428, 429, 430, 431, 432, 442
_OPEN_TREE_CLONE = 1
_MOVE_MOUNT_F_EMPTY_PATH, _MOVE_MOUNT_T_EMPTY_PATH = 0x4, 0x40
_FSCONFIG_SET_FLAG, _FSCONFIG_SET_STRING, _FSCONFIG_CMD_CREATE = 0, 1, 6
_CLOEXEC = 1


class _MountAttr(ctypes.Structure):
    _fields_ = [
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    ]


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else os.fsencode(text)


def mount(
    source: str | None, target: str, filesystem: str | None = None, flags: int = 0, data: str | None = None
) -> None:
    """Mount a file system, or bind a directory, at a path that nobody else can change."""
    result = libc.mount(
        _bytes(source), _bytes(target), _bytes(filesystem), ctypes.c_ulong(flags), _bytes(data)
    )
    check(result, f"mount {filesystem or 'bind'} at", target)


def umount(target: str, flags: int = 0) -> None:
    """Call umount2(2)."""
    check(libc.umount2(_bytes(target), ctypes.c_int(flags)), "umount", target)


def pivot_root(new_root: str, put_old: str) -> None:
    """Swap roots; `pivot_root(".", ".")` stacks the old root on the new one, to be detached after."""
    call("pivot_root", _PIVOT_ROOT, _bytes(new_root), _bytes(put_old), path=new_root)


def open_tree(
    path: str, *, dir_fd: int = AT_FDCWD, recursive: bool = False, follow: bool = True, clone: bool = True
) -> int:
    """Open a mount at `path` (or, when it is empty, at `dir_fd`), as a detached copy if `clone`."""
    flags = os.O_CLOEXEC
    flags |= _OPEN_TREE_CLONE if clone else 0
    flags |= AT_RECURSIVE if recursive and clone else 0
    flags |= 0 if follow else 0x100
    flags |= 0 if path else AT_EMPTY_PATH
    return call("open_tree", _OPEN_TREE, dir_fd, _bytes(path), flags, path=path)


def attach(mount_fd: int, target_fd: int) -> None:
    """Attach a detached mount on the file or directory that `target_fd` (O_PATH will do) stands for."""
    flags = _MOVE_MOUNT_F_EMPTY_PATH | _MOVE_MOUNT_T_EMPTY_PATH
    call("move_mount", _MOVE_MOUNT, mount_fd, b"", target_fd, b"", flags)


def attach_at(mount_fd: int, target: str) -> None:
    """Attach a detached mount at a path that nobody else can change."""
    call(
        "move_mount",
        _MOVE_MOUNT,
        mount_fd,
        b"",
        AT_FDCWD,
        _bytes(target),
        _MOVE_MOUNT_F_EMPTY_PATH,
        path=target,
    )


def create_mount(
    filesystem: str, options: tuple[str, ...] = (), *, source: str = "", attributes: int = 0
) -> int:
    """Make a detached mount of a new file system instance; options are `key` or `key=value`."""
    context = call("fsopen", _FSOPEN, _bytes(filesystem), _CLOEXEC, path=filesystem)
    try:
        for option in (f"source={source or filesystem}", *options):
            _configure(context, option)
        call("fsconfig", _FSCONFIG, context, _FSCONFIG_CMD_CREATE, None, None, 0, path=filesystem)
        return call("fsmount", _FSMOUNT, context, _CLOEXEC, attributes, path=filesystem)
    finally:
        os.close(context)


def _configure(context: int, option: str) -> None:
    key, equals, value = option.partition("=")
    command = _FSCONFIG_SET_STRING if equals else _FSCONFIG_SET_FLAG
    call(
        "fsconfig",
        _FSCONFIG,
        context,
        command,
        _bytes(key),
        _bytes(value) if equals else None,
        0,
        path=option,
    )


def set_attributes(
    path: str = "",
    *,
    dir_fd: int = AT_FDCWD,
    on: int = 0,
    off: int = 0,
    propagation: int = 0,
    recursive: bool = False,
    user_namespace_fd: int = 0,
) -> None:
    """Call mount_setattr(2) on a path or, when it is empty, on the mount that `dir_fd` stands for."""
    attributes = _MountAttr(on, off, propagation, user_namespace_fd)
    flags = (AT_RECURSIVE if recursive else 0) | (0 if path else AT_EMPTY_PATH)
    size = ctypes.sizeof(attributes)
    call(
        "mount_setattr",
        _MOUNT_SETATTR,
        dir_fd,
        _bytes(path),
        flags,
        ctypes.byref(attributes),
        size,
        path=path or None,
    )
