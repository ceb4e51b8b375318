# SPDX-License-Identifier: Apache-2.0
"""Removing whole directory trees that containers have written.

Holds: no symbolic link is followed, and neither depth nor length of paths is limited by anything but the
disk, so that a container cannot make a tree that its engine fails to remove.
"""

from __future__ import annotations

import os
from secrets import token_hex

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_tree(path: str, *, dir_fd: int | None = None) -> None:
    """Remove a directory and all below it; it is no error if there is nothing there.

    A subdirectory that is not empty is first renamed to lie directly in `path`: the tree becomes flat while
    it is removed, so that there is no recursion and at most three descriptors are open.
    """
    try:
        top = os.open(path, _DIRECTORY, dir_fd=dir_fd)
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
    os.rmdir(path, dir_fd=dir_fd)


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
