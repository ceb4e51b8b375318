# SPDX-License-Identifier: Apache-2.0
"""Sources of bind mounts that a path alone does not name: a folder inside a volume, and what stays shared.

They are opened in the host's mount namespace's copy, before that is cut off from the host's, and attached below the
run directory, where only this container's runtime sees them. A path inside a volume was written by containers: it
is resolved beneath the volume's root, and a link that leads out of there is refused.
"""

from __future__ import annotations

import os
import stat

from sampan.errors import InvalidArgument
from sampan.linux import mount
from sampan.linux.resolve import RESOLVE_BENEATH, openat2
from sampan.linux.syscall import describe_errno

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


def open_sources(sources: Iterable[dict[str, Any]]) -> list[tuple[int, str]]:
    """Return a detached mount for each, and where it is to be attached."""
    return [(_open_source(source), source["at"]) for source in sources]


def attach_sources(opened: list[tuple[int, str]]) -> None:
    """Attach them, in this process' own mount namespace."""
    for tree, target in opened:
        attach_source(tree, target)


def attach_source(tree: int, target: str) -> None:
    """Attach a detached mount where a bind mount of the runtime-spec will look for it, and close it."""
    _make_mount_point(tree, target)
    mount.attach_at(tree, target)
    os.close(tree)


def _open_source(source: dict[str, Any]) -> int:
    root: str = source["root"]
    if source.get("shared"):
        _require_shared(root)
        return mount.open_tree(root, recursive=True)
    root_fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fd = openat2(root_fd, source["path"], os.O_PATH, 0, RESOLVE_BENEATH)
    except OSError as error:
        reason = describe_errno(error.errno or 0)
        raise InvalidArgument(f"cannot access path {root}/{source['path']}: {reason}") from error
    finally:
        os.close(root_fd)
    try:
        tree = mount.open_tree("", dir_fd=fd, recursive=True)
        mount.set_attributes(dir_fd=tree, propagation=mount.MS_SLAVE, recursive=True)
        return tree
    finally:
        os.close(fd)


def _require_shared(path: str) -> None:
    """A container's mounts reach the host through a shared mount only; Docker says so before it starts."""
    place, is_shared = find_mount(path, _read_mounts())
    if not is_shared:
        raise InvalidArgument(f"path {path} is mounted on {place} but it is not a shared mount")


def _read_mounts() -> list[str]:
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        return file.readlines()


def find_mount(path: str, mountinfo: Iterable[str]) -> tuple[str, bool]:
    """Return the mount that a path is in, by its last mount point, and whether it is shared (proc(5))."""
    place, is_shared = "", False
    for line in mountinfo:
        fields = line.split(" - ")[0].split()
        point = fields[4].replace("\\040", " ")
        inside = path == point or path.startswith(point if point.endswith("/") else point + "/")
        if inside and len(point) >= len(place):
            place, is_shared = point, any(field.startswith("shared:") for field in fields[6:])
    return place, is_shared


def _make_mount_point(tree: int, target: str) -> None:
    os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
    if stat.S_ISDIR(os.fstat(tree).st_mode):
        os.makedirs(target, mode=0o700, exist_ok=True)
    else:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
