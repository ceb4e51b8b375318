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
from collections.abc import Iterator

from sampan.linux.descent import Descent

_FICLONE = 0x40049409
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK_BYTES = 64 << 20


def replicate_tree(source: str, target: str) -> None:
    """Copy the content and the attributes of directory `source` to the existing directory `target`."""
    source_fd = os.open(source, _DIRECTORY)
    target_fd = os.open(target, _DIRECTORY)
    replica = _Replica(source_fd, target_fd)
    try:
        replica.copy()
    finally:
        replica.close()
        os.close(source_fd)
        os.close(target_fd)


class _Replica:
    """One copying: two places that move together, and which inodes have been copied where to.

    A loop, for a tree may be deeper than calls or descriptors may be.
    """

    def __init__(self, source: int, target: int) -> None:
        self._source, self._target = Descent(source), Descent(target)
        self._root = target
        self._linked: dict[tuple[int, int], str] = {}

    def close(self) -> None:
        """Close what is open below the two roots."""
        self._source.close()
        self._target.close()

    def copy(self) -> None:
        """Copy what is in each directory, then its attributes (the times must come last)."""
        path: list[str] = []
        waiting = [self._names()]
        while True:
            name = next(waiting[-1], None)
            if name is not None:
                if self._copy_entry(name, "/".join([*path, name])):
                    path.append(name)
                    waiting.append(self._names())
                continue
            _finish_directory(self._source.fd, self._target.fd)
            waiting.pop()
            if not waiting:
                return
            path.pop()
            self._source.leave()
            self._target.leave()

    def _names(self) -> Iterator[str]:
        with os.scandir(self._source.fd) as entries:
            return iter(sorted(entry.name for entry in entries))

    def _copy_entry(self, name: str, path: str) -> bool:
        """Copy what is no directory; go down into what is one, and tell so."""
        source, target = self._source.fd, self._target.fd
        status = os.stat(name, dir_fd=source, follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            os.mkdir(name, 0o700, dir_fd=target)
            self._source.enter(name)
            self._target.enter(name)
            return True
        if stat.S_ISSOCK(status.st_mode) or (status.st_nlink > 1 and self._link(status, target, name, path)):
            return False
        if stat.S_ISREG(status.st_mode):
            _copy_file(source, target, name)
        elif stat.S_ISLNK(status.st_mode):
            os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
        else:
            os.mknod(name, status.st_mode, status.st_rdev, dir_fd=target)
        _finish(source, target, name, status)
        return False

    def _link(self, status: os.stat_result, target: int, name: str, path: str) -> bool:
        """Make a hard link if this inode has been copied before."""
        inode = (status.st_dev, status.st_ino)
        first = self._linked.setdefault(inode, path)
        if first == path:
            return False
        os.link(first, name, src_dir_fd=self._root, dst_dir_fd=target, follow_symlinks=False)
        return True


def _finish_directory(source: int, target: int) -> None:
    status = os.fstat(source)
    os.fchown(target, status.st_uid, status.st_gid)
    os.fchmod(target, stat.S_IMODE(status.st_mode))
    _copy_attributes(f"/proc/self/fd/{source}", f"/proc/self/fd/{target}", follow=True)
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


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
