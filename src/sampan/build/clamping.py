# SPDX-License-Identifier: Apache-2.0
"""Give the young files of a new tree an older time.

Holds: only what the step made or changed is touched. In a store that stacks, that is all there is in the tree (folders
included whose time the kernel set when something was made in them); in one that copies, what is as it was below keeps
its time.
"""

from __future__ import annotations

import os

from sampan.archive.walk import Found, iter_tree
from sampan.build.files.names import Folder

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def clamp_times(tree: str, below: str | None, latest_ns: int) -> None:
    """Set the times after `latest_ns` back to it; `below` is the whole tree that `tree` began as, if it is whole."""
    root = os.open(tree, _DIRECTORY)
    lower = os.open(below, _DIRECTORY) if below is not None else None
    try:
        for found in iter_tree(root):
            if found.status.st_mtime_ns > latest_ns and not _is_as_below(lower, found):
                times = (latest_ns, latest_ns)
                os.utime(found.name, ns=times, dir_fd=found.parent, follow_symlinks=False)
    finally:
        os.close(root)
        if lower is not None:
            os.close(lower)


def _is_as_below(lower: int | None, found: Found) -> bool:
    status = Folder(lower).lookup(found.path) if lower is not None else None
    return status is not None and status.st_mtime_ns == found.status.st_mtime_ns
