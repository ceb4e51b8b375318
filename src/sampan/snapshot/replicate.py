# SPDX-License-Identifier: Apache-2.0
"""Copying a tree with everything that makes a root filesystem: owners, modes, times, links, devices,
attributes.

Holds: both trees are ours (nobody else writes in them meanwhile), but their content is not trusted, so no
symbolic link is followed. Hard links inside the tree stay links. Blocks are shared where the filesystem can
(FICLONE).
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat

_FICLONE = 0x40049409
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK_BYTES = 64 << 20


def replicate_tree(source: str, target: str) -> None:
    """Copy the content and the attributes of directory `source` to the existing directory `target`."""
    source_fd = os.open(source, _DIRECTORY)
    target_fd = os.open(target, _DIRECTORY)
    try:
        _Replica(target_fd).copy_directory(source_fd, target_fd)
    finally:
        os.close(source_fd)
        os.close(target_fd)


class _Replica:
    """One copying: knows which inodes have been copied, and where to."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._linked: dict[tuple[int, int], str] = {}

    def copy_directory(self, source: int, target: int, path: str = "") -> None:
        """Copy what is in one directory, then its attributes (the times must come last)."""
        with os.scandir(source) as entries:
            names = sorted(entry.name for entry in entries)
        for name in names:
            self._copy_entry(source, target, name, f"{path}/{name}" if path else name)
        status = os.fstat(source)
        os.fchown(target, status.st_uid, status.st_gid)
        os.fchmod(target, stat.S_IMODE(status.st_mode))
        _copy_attributes(f"/proc/self/fd/{source}", f"/proc/self/fd/{target}", follow=True)
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))

    def _copy_entry(self, source: int, target: int, name: str, path: str) -> None:
        status = os.stat(name, dir_fd=source, follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            self._descend(source, target, name, path)
            return
        if status.st_nlink > 1 and self._link(status, target, name, path):
            return
        if stat.S_ISREG(status.st_mode):
            _copy_file(source, target, name)
        elif stat.S_ISLNK(status.st_mode):
            os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
        elif not stat.S_ISSOCK(status.st_mode):
            os.mknod(name, status.st_mode, status.st_rdev, dir_fd=target)
        else:
            return
        _finish(source, target, name, status)

    def _descend(self, source: int, target: int, name: str, path: str) -> None:
        os.mkdir(name, 0o700, dir_fd=target)
        inner_source = os.open(name, _DIRECTORY, dir_fd=source)
        inner_target = os.open(name, _DIRECTORY, dir_fd=target)
        try:
            self.copy_directory(inner_source, inner_target, path)
        finally:
            os.close(inner_source)
            os.close(inner_target)

    def _link(self, status: os.stat_result, target: int, name: str, path: str) -> bool:
        """Make a hard link if this inode has been copied before."""
        inode = (status.st_dev, status.st_ino)
        first = self._linked.setdefault(inode, path)
        if first == path:
            return False
        os.link(first, name, src_dir_fd=self._target, dst_dir_fd=target, follow_symlinks=False)
        return True


def _copy_file(source: int, target: int, name: str) -> None:
    inner = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=source)
    try:
        outer = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=target)
        try:
            _copy_data(inner, outer)
        finally:
            os.close(outer)
    finally:
        os.close(inner)


def _copy_data(source: int, target: int) -> None:
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError:
        _copy_ranges(source, target)


def _copy_ranges(source: int, target: int) -> None:
    try:
        while os.copy_file_range(source, target, _CHUNK_BYTES):
            pass
    except OSError as error:
        # Another filesystem (EXDEV), or one that has no such call; nothing has been copied then.
        if error.errno not in (errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
        while os.sendfile(target, source, None, _CHUNK_BYTES):
            pass


def _finish(source: int, target: int, name: str, status: os.stat_result) -> None:
    os.chown(name, status.st_uid, status.st_gid, dir_fd=target, follow_symlinks=False)
    if not stat.S_ISLNK(status.st_mode):
        # After chown, which clears the set-user-ID bits and file capabilities.
        os.chmod(name, stat.S_IMODE(status.st_mode), dir_fd=target)
    _copy_attributes(f"/proc/self/fd/{source}/{name}", f"/proc/self/fd/{target}/{name}", follow=False)
    os.utime(name, ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=target, follow_symlinks=False)


def _copy_attributes(source: str, target: str, *, follow: bool) -> None:
    try:
        names = os.listxattr(source, follow_symlinks=follow)
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:
            return
        raise
    for name in names:
        os.setxattr(target, name, os.getxattr(source, name, follow_symlinks=follow), follow_symlinks=follow)
