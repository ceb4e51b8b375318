# SPDX-License-Identifier: Apache-2.0
"""Walking one directory tree in the order of an archive: parents first, names sorted, no link followed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from sampan.linux.descent import Descent


@dataclass(frozen=True, slots=True)
class Found:
    """A file: its path below the root, the directory it is in, and if it is a directory, that opened.

    Descriptors are valid until the next file is asked for.
    """

    path: str
    parent: int
    name: str
    status: os.stat_result
    directory: int | None


def iter_tree(root: int) -> Iterator[Found]:
    """Everything below the open directory `root`."""
    descent = Descent(root)
    stack = [("", iter(sorted(os.listdir(root))))]
    try:
        while stack:
            prefix, names = stack[-1]
            name = next(names, None)
            if name is None:
                stack.pop()
                if stack:
                    descent.leave()
                continue
            parent = descent.fd
            status = os.stat(name, dir_fd=parent, follow_symlinks=False)
            directory = None
            if stat.S_ISDIR(status.st_mode):
                directory = descent.enter(name)
                stack.append((f"{prefix}{name}/", iter(sorted(os.listdir(directory)))))
            yield Found(prefix + name, parent, name, status, directory)
    finally:
        descent.close()
