# SPDX-License-Identifier: Apache-2.0
"""Copy-up: an empty volume starts with what the image has at its place, as Docker does.

Owners, modes, times, extended attributes, symbolic links, hard links and device nodes are kept. Both trees
are walked by descriptors, with O_NOFOLLOW at each step, so a link in the image leads nowhere.
"""

from __future__ import annotations

import errno
import os
import stat

from sampan.linux.resolve import open_in_root

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_XATTRS = (errno.ENOTSUP, errno.EPERM, errno.ENODATA)


def copy_up(root_fd: int, path: str, target_dir: str) -> bool:
    """Fill `target_dir` from `path` inside the root, if that is empty; tell whether it was done."""
    target = os.open(target_dir, _DIRECTORY)
    try:
        if os.listdir(target):
            return False
        try:
            source = open_in_root(root_fd, path, os.O_RDONLY | os.O_DIRECTORY)
        except (FileNotFoundError, NotADirectoryError):
            return False
        try:
            _Copy().directory(source, target)
        finally:
            os.close(source)
    finally:
        os.close(target)
    return True


def copy_tree_into(source_fd: int, target_fd: int) -> None:
    """Copy a directory's contents and its own metadata; both may be O_PATH descriptors."""
    source, target = os.open(".", _DIRECTORY, dir_fd=source_fd), os.open(".", _DIRECTORY, dir_fd=target_fd)
    try:
        _Copy().directory(source, target)
    finally:
        os.close(source)
        os.close(target)


class _Copy:
    """One copy: remembers which inodes with several names have been made, and under which name."""

    __slots__ = ("made", "top")

    def __init__(self) -> None:
        self.made: dict[tuple[int, int], str] = {}
        self.top = -1

    def directory(self, source: int, target: int, prefix: str = "") -> None:
        if not prefix:
            self.top = target
        for entry in os.listdir(source):
            self._entry(source, target, entry, f"{prefix}{entry}")
        _copy_xattrs(source, target)
        status = os.fstat(source)
        os.fchown(target, status.st_uid, status.st_gid)
        os.fchmod(target, stat.S_IMODE(status.st_mode))
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))

    def _entry(self, source: int, target: int, name: str, path: str) -> None:
        status = os.stat(name, dir_fd=source, follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            self._subdirectory(source, target, name, path)
            return
        if status.st_nlink > 1:
            first = self.made.setdefault((status.st_dev, status.st_ino), path)
            if first != path:
                os.link(first, name, src_dir_fd=self.top, dst_dir_fd=target, follow_symlinks=False)
                return
        if stat.S_ISREG(status.st_mode):
            _copy_file(source, target, name, status)
        else:
            _copy_special(source, target, name, status)

    def _subdirectory(self, source: int, target: int, name: str, path: str) -> None:
        os.mkdir(name, 0o700, dir_fd=target)
        below_source = os.open(name, _DIRECTORY, dir_fd=source)
        below_target = os.open(name, _DIRECTORY, dir_fd=target)
        try:
            self.directory(below_source, below_target, f"{path}/")
        finally:
            os.close(below_source)
            os.close(below_target)


def _copy_file(source: int, target: int, name: str, status: os.stat_result) -> None:
    read = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=source)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    write = os.open(name, flags, 0o600, dir_fd=target)
    try:
        while os.sendfile(write, read, None, 1 << 24):
            pass
        os.fchown(write, status.st_uid, status.st_gid)
        _copy_xattrs(read, write)  # after chown, which clears file capabilities
        os.fchmod(write, stat.S_IMODE(status.st_mode))
        os.utime(write, ns=(status.st_atime_ns, status.st_mtime_ns))
    finally:
        os.close(read)
        os.close(write)


def _copy_special(source: int, target: int, name: str, status: os.stat_result) -> None:
    if stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
    else:
        os.mknod(name, status.st_mode, status.st_rdev, dir_fd=target)
        os.chmod(name, stat.S_IMODE(status.st_mode), dir_fd=target)
    os.chown(name, status.st_uid, status.st_gid, dir_fd=target, follow_symlinks=False)
    times = (status.st_atime_ns, status.st_mtime_ns)
    os.utime(name, ns=times, dir_fd=target, follow_symlinks=False)


def _copy_xattrs(source: int, target: int) -> None:
    for name in _attribute_names(source):
        if name.startswith(("trusted.overlay.", "user.overlay.")):  # the snapshot's own bookkeeping
            continue
        try:
            os.setxattr(target, name, os.getxattr(source, name))
        except OSError as error:
            if error.errno not in _NO_XATTRS:
                raise


def _attribute_names(fd: int) -> list[str]:
    try:
        return os.listxattr(fd)
    except OSError as error:
        if error.errno in _NO_XATTRS:
            return []
        raise
