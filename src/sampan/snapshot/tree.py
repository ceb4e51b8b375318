# SPDX-License-Identifier: Apache-2.0
"""Whole directory trees that containers have written: removing them and measuring them.

Holds: no symbolic link is followed, and neither depth nor length of paths is limited by anything but the
disk, so that a container cannot make a tree that its engine fails to remove.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from secrets import token_hex

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_tree(path: str) -> None:
    """Remove a directory and all below it; it is no error if there is nothing there.

    A subdirectory that is not empty is first renamed to lie directly in `path`: the tree becomes flat while
    it is removed, so that there is no recursion and at most three descriptors are open.
    """
    try:
        top = os.open(path, _DIRECTORY)
    except FileNotFoundError:
        return
    try:
        # Not a name that the tree itself, or a removal that was killed, could have left there.
        prefix = f".removing-{token_hex(8)}-"
        pending = _unlink_entries(top, top, f"{prefix}0")
        for number, name in enumerate(pending, start=1):
            directory = _open_directory(name, top)
            try:
                pending += _unlink_entries(directory, top, f"{prefix}{number}")
            finally:
                os.close(directory)
            os.rmdir(name, dir_fd=top)
    finally:
        os.close(top)
    os.rmdir(path)


def measure_tree(path: str) -> tuple[int, int]:
    """The apparent bytes of the regular files (hard links once) and the inodes below a directory."""
    size = inodes = 0
    linked: set[int] = set()
    for status in iter_status(path):
        if not stat.S_ISDIR(status.st_mode) and status.st_nlink > 1:
            if status.st_ino in linked:
                continue
            linked.add(status.st_ino)
        inodes += 1
        if stat.S_ISREG(status.st_mode):
            size += status.st_size
    return size, inodes


def iter_status(path: str) -> Iterator[os.stat_result]:
    """The status of everything below a directory, in no particular order."""
    pending = [os.open(path, _DIRECTORY)]
    try:
        while pending:
            directory = pending.pop()
            try:
                with os.scandir(directory) as entries:
                    for entry in entries:
                        yield entry.stat(follow_symlinks=False)
                        if entry.is_dir(follow_symlinks=False):
                            pending.append(os.open(entry.name, _DIRECTORY, dir_fd=directory))
            finally:
                os.close(directory)
    finally:
        for directory in pending:
            os.close(directory)


def _unlink_entries(directory: int, top: int, prefix: str) -> list[str]:
    """Empty a directory; return the names in `top` under which its non-empty subdirectories wait."""
    moved: list[str] = []
    with os.scandir(directory) as entries:
        listing = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for position, (name, is_directory) in enumerate(listing):
        if not is_directory:
            os.unlink(name, dir_fd=directory)
            continue
        try:
            os.rmdir(name, dir_fd=directory)
        except OSError:
            # Not empty (or not searchable by a user who is not root: the renaming makes it so).
            moved.append(_lift(name, directory, top, f"{prefix}-{position}"))
    return moved


def _lift(name: str, directory: int, top: int, target: str) -> str:
    try:
        os.rename(name, target, src_dir_fd=directory, dst_dir_fd=top)
    except PermissionError:
        # Without root, a directory that may not be written may not be moved either.
        os.chmod(name, 0o700, dir_fd=directory)
        os.rename(name, target, src_dir_fd=directory, dst_dir_fd=top)
    return target


def _open_directory(name: str, top: int) -> int:
    try:
        return os.open(name, _DIRECTORY, dir_fd=top)
    except PermissionError:
        os.chmod(name, 0o700, dir_fd=top)
        return os.open(name, _DIRECTORY, dir_fd=top)
