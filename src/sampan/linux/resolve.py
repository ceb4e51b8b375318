# SPDX-License-Identifier: Apache-2.0
"""Paths inside a root that an attacker may be changing: openat2(2) with RESOLVE_IN_ROOT.

Every function takes an open directory, the root, and a path as the container sees it: absolute or relative,
with `..` and symbolic links, all of which stay inside. The result is a descriptor, never a path, so what was
checked is what is used.
"""

from __future__ import annotations

import ctypes
import errno
import os

from sampan.linux.syscall import AT_EMPTY_PATH, SyscallError, call, check, failure, libc

RESOLVE_NO_XDEV = 0x01
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10

_OPENAT2 = 437
_NEW_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MAX_LINKS = 40  # the kernel's own limit
_RETRIES = 128  # how often a rename race may interrupt one resolution before it is reported


class _OpenHow(ctypes.Structure):
    _fields_ = [
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    ]


def openat2(dir_fd: int, path: str, flags: int, mode: int = 0, resolve: int = RESOLVE_IN_ROOT) -> int:
    """Open by openat2, closed on exec; repeated while renames elsewhere make the kernel unsure (EAGAIN)."""
    how = _OpenHow(flags | os.O_CLOEXEC, mode, resolve)
    for attempt in range(_RETRIES):
        try:
            return call(
                "openat2",
                _OPENAT2,
                dir_fd,
                os.fsencode(path),
                ctypes.byref(how),
                ctypes.sizeof(how),
                path=path,
            )
        except BlockingIOError:
            if attempt == _RETRIES - 1:
                raise
    raise AssertionError


def open_in_root(root_fd: int, path: str, flags: int = os.O_PATH, mode: int = 0) -> int:
    """Open `path` as a process whose root is `root_fd` would."""
    return openat2(root_fd, path or "/", flags, mode, RESOLVE_IN_ROOT)


def open_parent_in_root(root_fd: int, path: str) -> tuple[int, str]:
    """Return the directory that holds `path`'s last name (O_PATH), and that name, which is not resolved."""
    parent, _, name = path.rstrip("/").rpartition("/")
    if name in ("", ".", ".."):
        raise failure("openat2", path, number=errno.EINVAL)
    return open_in_root(root_fd, parent or "/", os.O_PATH | os.O_DIRECTORY), name


def makedirs_in_root(
    root_fd: int, path: str, mode: int = 0o755, *, owner: tuple[int, int] | None = None
) -> int:
    """Make `path` and its parents where missing and return the directory (O_PATH).

    A dangling symbolic link on the way is followed and its target made, inside the root.
    """
    try:
        return open_in_root(root_fd, path, os.O_PATH | os.O_DIRECTORY)
    except FileNotFoundError:
        return _make_last(root_fd, path, mode, owner) or _make_each(root_fd, path, mode, owner)


def _make_last(root_fd: int, path: str, mode: int, owner: tuple[int, int] | None) -> int:
    """Make the directory if only its last name is missing, by far the usual case; 0 if more is."""
    try:
        parent, name = open_parent_in_root(root_fd, path)
    except OSError:
        return 0
    try:
        os.mkdir(name, mode, dir_fd=parent)
        fd = os.open(name, _NEW_DIRECTORY, dir_fd=parent)
    except FileExistsError:  # a dangling link, or somebody else was quicker
        return 0
    finally:
        os.close(parent)
    if owner is not None:
        chown_fd(fd, *owner)
    return fd


def _make_each(root_fd: int, path: str, mode: int, owner: tuple[int, int] | None) -> int:
    """Walk component by component; `trail` holds one descriptor a level so that `..` needs no kernel help."""
    trail = [os.dup(root_fd)]
    pending = _components(path)
    links = 0
    try:
        while pending:
            name = pending.pop()
            if name == "..":
                if len(trail) > 1:
                    os.close(trail.pop())
                continue
            target = _link_target(trail[-1], name)
            if target is None:
                trail.append(_enter(trail[-1], name, mode, owner))
                continue
            links += 1
            if links > _MAX_LINKS:
                raise failure("mkdir", path, number=errno.ELOOP)
            while target.startswith("/") and len(trail) > 1:
                os.close(trail.pop())
            pending += _components(target)
        return trail.pop()
    finally:
        for fd in trail:
            os.close(fd)


def _components(path: str) -> list[str]:
    """Return the names of a path, last first."""
    return [name for name in reversed(path.split("/")) if name not in ("", ".")]


def _link_target(dir_fd: int, name: str) -> str | None:
    try:
        return os.readlink(name, dir_fd=dir_fd)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOENT):  # not a link; not there
            return None
        raise


def _enter(dir_fd: int, name: str, mode: int, owner: tuple[int, int] | None) -> int:
    try:
        os.mkdir(name, mode, dir_fd=dir_fd)
    except FileExistsError:
        return os.open(name, _NEW_DIRECTORY, dir_fd=dir_fd)
    fd = os.open(name, _NEW_DIRECTORY, dir_fd=dir_fd)
    if owner is not None:
        chown_fd(fd, *owner)
    return fd


def chown_fd(fd: int, uid: int, gid: int) -> None:
    """Change the owner of what a descriptor stands for, also an O_PATH one, and also a symbolic link."""
    result = libc.fchownat(ctypes.c_int(fd), b"", ctypes.c_uint(uid), ctypes.c_uint(gid), AT_EMPTY_PATH)
    check(result, "fchownat")


def make_file_in_root(root_fd: int, path: str, mode: int = 0o644) -> int:
    """Return `path` (O_PATH), made as an empty file, with its parents, where missing."""
    try:
        return open_in_root(root_fd, path)
    except FileNotFoundError:
        parent, _, name = path.rstrip("/").rpartition("/")
        directory = makedirs_in_root(root_fd, parent or "/")
    try:
        os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, mode, dir_fd=directory))
    except FileExistsError:
        if _link_target(directory, name) is None:
            raise
        return _make_link_target(root_fd, path)
    finally:
        os.close(directory)
    return open_in_root(root_fd, path)


def _make_link_target(root_fd: int, path: str) -> int:
    """Make the file that a dangling symbolic link names: openat2 with O_CREAT does not follow it for us."""
    try:
        os.close(open_in_root(root_fd, path, os.O_CREAT | os.O_WRONLY, 0o644))
    except SyscallError as error:
        raise failure("create", path, number=error.errno) from error
    return open_in_root(root_fd, path)


def filesystem_type(fd: int) -> int:
    """Return the magic number of the file system that a descriptor is on (statfs(2))."""
    buffer = (ctypes.c_long * 32)()  # larger than struct statfs, whose first member is f_type
    check(libc.fstatfs(ctypes.c_int(fd), ctypes.byref(buffer)), "fstatfs")
    return buffer[0]


PROC_SUPER_MAGIC = 0x9FA0
