# SPDX-License-Identifier: Apache-2.0
"""Mount points that a RUN step needed and the image did not have: gone again, unless the step wrote there.

BuildKit does the same (executor/stubs.go): an empty file or folder at a mount point, and the folders made for
it, are no part of the layer. A folder that is in the layer only because a mount point was made in it is no
change either.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable

from sampan.build.files.names import Folder, canonical, parent_of
from sampan.build.files.xattrs import read_xattrs

# What every container gets.
ALWAYS = ("/etc/resolv.conf", "/etc/hosts", "/etc/hostname", "/proc", "/sys", "/dev")


def plan_stubs(root_fd: int, targets: Iterable[str]) -> tuple[str, ...]:
    """The canonical names that are missing before the step and may be made for its mounts, deepest first."""
    tree = Folder(root_fd)
    missing: set[str] = set()
    for target in (*targets, *ALWAYS):
        name = canonical(tree, target)
        while name and tree.lookup(name) is None:
            missing.add(name)
            name = parent_of(name)
    return tuple(sorted(missing, key=lambda name: (-name.count("/"), name)))


def remove_stubs(upper_fd: int, below_fd: int | None, stubs: Iterable[str], targets: Iterable[str]) -> None:
    """Remove the stubs that are empty, then the folders that are as they were below."""
    touched = {parent_of(name) for name in stubs}
    for name in stubs:
        _remove_if_empty(upper_fd, name)
    if below_fd is None:
        return
    tree = Folder(below_fd)
    for target in (*targets, *ALWAYS):
        touched.add(parent_of(canonical(tree, target)))
        touched.add(canonical(tree, target))
    for name in sorted(touched, key=lambda name: (-name.count("/"), name)):
        while name:
            _remove_if_unchanged(upper_fd, below_fd, name)
            name = parent_of(name)


def _remove_if_empty(upper_fd: int, name: str) -> None:
    status = Folder(upper_fd).lookup(name)
    if status is None:
        return
    with contextlib.suppress(OSError):
        if stat.S_ISDIR(status.st_mode):
            os.rmdir(name, dir_fd=upper_fd)
        elif stat.S_ISREG(status.st_mode) and status.st_size == 0:
            os.unlink(name, dir_fd=upper_fd)


def _remove_if_unchanged(upper_fd: int, below_fd: int, name: str) -> None:
    """An empty folder of the layer with the attributes it has below says nothing."""
    above, below = Folder(upper_fd).lookup(name), Folder(below_fd).lookup(name)
    if above is None or below is None or not stat.S_ISDIR(above.st_mode) or not stat.S_ISDIR(below.st_mode):
        return
    same = (above.st_mode, above.st_uid, above.st_gid) == (below.st_mode, below.st_uid, below.st_gid)
    if not same or _is_opaque(upper_fd, name):
        return
    if read_xattrs(upper_fd, name) == read_xattrs(below_fd, name):
        with contextlib.suppress(OSError):
            os.rmdir(name, dir_fd=upper_fd)


def _is_opaque(upper_fd: int, name: str) -> bool:
    names = os.listxattr(f"/proc/self/fd/{upper_fd}/{name}", follow_symlinks=False)
    return any(one.endswith("overlay.opaque") for one in names)
