# SPDX-License-Identifier: Apache-2.0
"""Canonical names inside a tree: symbolic links followed, but never out of the root.

A canonical name has no links among its parents and none of ``.``, ``..`` or doubled slashes; the root is "".
Looking a canonical name up relative to the root's descriptor cannot leave the tree, unless somebody puts a link where
a folder was: in a context, which anybody may be changing, names are looked up by `Guarded`.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from typing import Protocol

from sampan.linux.resolve import RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS, openat2

_GUARDS = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS
_PLACE = os.O_PATH | os.O_NOFOLLOW
_MAX_LINKS = 40  # the kernel's own limit


class Tree(Protocol):
    """Something with canonical names in it."""

    def lookup(self, name: str) -> os.stat_result | None:
        """The status of what has this canonical name, links not followed; None if nothing has."""

    def read_link(self, name: str) -> str:
        """Where the symbolic link of this canonical name points."""


class Folder:
    """A tree that is one open directory."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def lookup(self, name: str) -> os.stat_result | None:
        """The status of a canonical name."""
        try:
            return os.stat(name or ".", dir_fd=self.fd, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def read_link(self, name: str) -> str:
        """Where a link points."""
        return os.readlink(name, dir_fd=self.fd)

    def open(self, name: str, flags: int) -> int:
        """Open what has this canonical name and is no link."""
        return os.open(name or ".", flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.fd)


class Guarded(Folder):
    """A tree that may change while it is read: no link is followed, also where there was a folder."""

    def lookup(self, name: str) -> os.stat_result | None:
        """The status of a canonical name."""
        try:
            fd = self.open(name, _PLACE)
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            return os.fstat(fd)
        finally:
            os.close(fd)

    def read_link(self, name: str) -> str:
        """Where a link points."""
        fd = self.open(name, _PLACE)
        try:
            return os.readlink("", dir_fd=fd)
        finally:
            os.close(fd)

    def open(self, name: str, flags: int) -> int:
        """Open what has this canonical name and is no link."""
        return openat2(self.fd, name or ".", flags, resolve=_GUARDS)


def join(parent: str, name: str) -> str:
    """The canonical name of something in a folder."""
    return f"{parent}/{name}" if parent else name


def parent_of(name: str) -> str:
    """The canonical name of the folder that holds it."""
    return name.rpartition("/")[0]


def canonical(
    tree: Tree, path: str, *, follow_last: bool = True, step: Callable[[str], bool] = lambda _name: True
) -> str:
    """The canonical name of a path; what is missing is taken literally.

    `step` is told each name that is looked at and may say that its link shall not be followed.
    """
    pending = [part for part in reversed(path.split("/")) if part not in ("", ".")]
    found = ""
    links = 0
    while pending:
        part = pending.pop()
        if part == "..":
            found = parent_of(found)
            continue
        name = join(found, part)
        status = tree.lookup(name)
        is_link = status is not None and stat.S_ISLNK(status.st_mode)
        if not is_link or not (pending or follow_last) or not step(name):
            found = name
            continue
        links += 1
        if links > _MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        target = tree.read_link(name)
        if target.startswith("/"):
            found = ""
        pending += [part for part in reversed(target.split("/")) if part not in ("", ".")]
    return found
