# SPDX-License-Identifier: Apache-2.0
"""Bringing a file of a lower directory up into the root, as overlayfs does before it changes one.

Needed where an archive links to a file that only the layers below have.
"""

from __future__ import annotations

import os
import stat

from sampan.archive.directories import Directories, copy_attributes
from sampan.archive.merged import Node

_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK_BYTES = 64 << 20


def copy_up(directories: Directories, path: str) -> bool:
    """Make `path` in the root what it is below; return whether there is such a regular file or link."""
    parent, _, name = path.rpartition("/")
    with directories.merged() as tree:
        try:
            with tree.open_node("/" + path, follow=False) as node:
                return _copy(node, directories.open(parent), name)
        except (FileNotFoundError, NotADirectoryError):
            return False


def _copy(node: Node, parent_fd: int, name: str) -> bool:
    if stat.S_ISLNK(node.status.st_mode):
        os.symlink(node.readlink(), name, dir_fd=parent_fd)
        os.chown(name, node.status.st_uid, node.status.st_gid, dir_fd=parent_fd, follow_symlinks=False)
        return True
    if not stat.S_ISREG(node.status.st_mode):
        return False
    source = node.open()
    try:
        target = os.open(name, _FILE, 0o600, dir_fd=parent_fd)
        try:
            while os.sendfile(target, source, None, _CHUNK_BYTES):
                pass
            copy_attributes(node, target)
            os.utime(target, ns=(node.status.st_atime_ns, node.status.st_mtime_ns))
        finally:
            os.close(target)
    finally:
        os.close(source)
    return True
