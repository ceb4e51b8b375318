# SPDX-License-Identifier: Apache-2.0
"""The directories that an extraction works in: opened once, made where they are missing, given their times
last.

Holds: every path is resolved inside the root. With lower directories, a path that cannot be resolved in the
root alone is resolved in the merged tree, and what of it exists only below is made anew with the same
attributes.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence

from sampan.archive.merged import MergedTree, Node
from sampan.archive.whiteout import is_overlay_attribute, is_whiteout, set_opaque
from sampan.linux.resolve import open_in_root

_PLACE = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MAX_OPEN = 128


class Directories:
    """Descriptors (O_PATH) by path. They stay open until the path may have come to mean something else."""

    def __init__(self, root: int, lowers: Sequence[str] = ()) -> None:
        self.root = root
        self.lowers = tuple(lowers)
        self._open: dict[str, int] = {}
        self._retired: list[int] = []
        self._times: dict[str, int] = {}

    def close(self) -> None:
        """Close all descriptors except the root."""
        self._retire()
        self.release()

    def release(self) -> None:
        """Close what is not to be found by its path any more: nobody is working in it now."""
        while self._retired:
            os.close(self._retired.pop())

    def open(self, path: str) -> int:
        """The directory of this path, made where it is missing; good until `release` or `close`."""
        if not path:
            return self.root
        fd = self._open.get(path)
        if fd is None:
            if len(self._open) >= _MAX_OPEN:
                self._retire()
            fd = self._open[path] = self._resolve(path)
        return fd

    def forget(self, path: str) -> None:
        """A directory or link of this path is going away; anything may have been reached through it."""
        self._retire()
        below = path + "/"
        for known in [known for known in self._times if known == path or known.startswith(below)]:
            del self._times[known]

    def status(self, path: str) -> os.stat_result | None:
        """The status of what is at the path in the merged tree, without following a link there."""
        with self.merged() as tree:
            try:
                with tree.open_node("/" + path, follow=False) as node:
                    return node.status
            except (FileNotFoundError, NotADirectoryError):
                return None

    def merged(self) -> MergedTree:
        """The tree of the root and the lower directories."""
        return MergedTree([self.root, *self.lowers])

    def remember_time(self, path: str, mtime_ns: int) -> None:
        """Let `restore_times` set this."""
        self._times[path] = mtime_ns

    def restore_times(self) -> None:
        """Set the remembered times, now that nothing is made in the directories any more."""
        for path, mtime_ns in self._times.items():
            try:
                fd = open_in_root(self.root, "/" + path, _DIRECTORY)
            except OSError:  # replaced later in the archive by something else
                continue
            try:
                os.utime(fd, ns=(mtime_ns, mtime_ns))
            finally:
                os.close(fd)
        self._times.clear()

    def _retire(self) -> None:
        self._retired += self._open.values()
        self._open.clear()

    def _resolve(self, path: str) -> int:
        try:
            return open_in_root(self.root, "/" + path, os.O_PATH | os.O_DIRECTORY)
        except (FileNotFoundError, NotADirectoryError):
            return self._make(path)

    def _make(self, path: str) -> int:
        """Go down the path's real names, making what the root itself does not have."""
        with self.merged() as tree, tree.open_trail("/" + path) as (trail, missing):
            if not trail[-1].is_directory:
                raise NotADirectoryError(20, os.strerror(20), path)
            names = [node.name for node in trail[1:]]
            nodes: list[Node | None] = [*trail[1:], *(None for _ in missing)]
            fd = os.open(".", _PLACE, dir_fd=self.root)
            for depth, (name, node) in enumerate(zip(names + missing, nodes, strict=True), start=1):
                outer = fd
                try:
                    fd = self._enter(outer, name, node, "/".join((names + missing)[:depth]))
                finally:
                    os.close(outer)
            return fd

    def _enter(self, parent_fd: int, name: str, node: Node | None, path: str) -> int:
        hides = False
        try:
            os.mkdir(name, 0o755, dir_fd=parent_fd)
        except FileExistsError:
            if not is_whiteout(os.stat(name, dir_fd=parent_fd, follow_symlinks=False)):
                return os.open(name, _PLACE, dir_fd=parent_fd)
            os.unlink(name, dir_fd=parent_fd)
            os.mkdir(name, 0o755, dir_fd=parent_fd)
            hides = True
        fd = os.open(name, _DIRECTORY, dir_fd=parent_fd)
        try:
            os.fchmod(fd, 0o755)
            if hides:
                set_opaque(fd)
            elif node is not None:
                copy_attributes(node, fd)
                self.remember_time(path, node.status.st_mtime_ns)
        finally:
            os.close(fd)
        return os.open(name, _PLACE, dir_fd=parent_fd)


def copy_attributes(node: Node, fd: int) -> None:
    """Give a new file or directory the owner, mode and extended attributes of one in a lower directory."""
    os.fchown(fd, node.status.st_uid, node.status.st_gid)
    os.fchmod(fd, stat.S_IMODE(node.status.st_mode))
    source = node.open()
    try:
        for name in os.listxattr(source):
            if not is_overlay_attribute(name):
                os.setxattr(fd, name, os.getxattr(source, name))
    finally:
        os.close(source)
