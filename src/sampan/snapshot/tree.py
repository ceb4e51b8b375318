# SPDX-License-Identifier: Apache-2.0
"""Measuring directory trees that containers have written: no symbolic link is followed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from sampan.linux.descent import Descent

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


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
    top = os.open(path, _DIRECTORY)
    descent = Descent(top)
    try:
        found: list[str] = []
        yield from _iter_directory(top, found)
        stack = [found]  # at each level the directories that are still to be entered
        while stack:
            if not stack[-1]:
                stack.pop()
                if stack:
                    descent.leave()
                continue
            found = []
            yield from _iter_directory(descent.enter(stack[-1].pop()), found)
            stack.append(found)
    finally:
        descent.close()
        os.close(top)


def _iter_directory(directory: int, subdirectories: list[str]) -> Iterator[os.stat_result]:
    with os.scandir(directory) as entries:
        for entry in entries:
            yield entry.stat(follow_symlinks=False)
            if entry.is_dir(follow_symlinks=False):
                subdirectories.append(entry.name)
