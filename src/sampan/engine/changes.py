# SPDX-License-Identifier: Apache-2.0
"""`docker diff`: what a container has added, changed and deleted, read from its snapshot's own directory.

Source: Engine API v1.51, ContainerChanges; moby `pkg/archive/changes.go`: a directory counts as changed if its
owner or mode did, or if there is a change in it; times and sizes count for files only.
Holds: mount points that a start needs and the image lacks are no changes, as long as they are empty: Docker has
them in a layer of their own.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from sampan.archive.merged import MergedTree, Node, children, lookup
from sampan.archive.whiteout import is_opaque, is_whiteout
from sampan.linux.descent import Descent

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

MOUNT_POINTS = frozenset(
    {"/etc/resolv.conf", "/etc/hosts", "/etc/hostname", "/etc/mtab", "/proc", "/sys", "/dev", "/etc"}
)


class ChangeKind(IntEnum):
    """The numbers of the Engine API."""

    CHANGED = 0
    ADDED = 1
    DELETED = 2


def list_changes(directory: str, lowers: Sequence[str], *, is_layered: bool = True) -> dict[str, ChangeKind]:
    """Paths and what happened to them, sorted; `directory` is a whole tree if it `is_layered` on nothing."""
    comparison = _Comparison(is_layered=is_layered)
    top = os.open(directory, _DIRECTORY)
    try:
        with MergedTree(lowers or [directory]) as tree, tree.open_node("/") as root:
            comparison.run(top, root if lowers else None)
    finally:
        os.close(top)
    return dict(sorted(comparison.changes.items()))


@dataclass(slots=True)
class _Frame:
    """A directory on the way: as it was, and the names that are still to be compared."""

    before: Node | None
    prefix: str
    names: Iterator[str]

    def close(self) -> None:
        if self.before is not None:
            self.before.close()


class _Comparison:
    """Walks both trees side by side, without recursion: containers make trees as deep as they like."""

    def __init__(self, *, is_layered: bool) -> None:
        self.changes: dict[str, ChangeKind] = {}
        self._is_layered = is_layered

    def run(self, top: int, before: Node | None) -> None:
        """Compare everything below the roots, which stay open."""
        self._now = Descent(top)
        frames = [self._open(top, before, "/")]
        try:
            while frames:
                frame = frames[-1]
                name = next(frame.names, None)
                if name is not None:
                    inner = self._compare(frame, name)
                    frames += [inner] if inner else []
                    continue
                frames.pop()
                if frames:
                    frame.close()
                    self._now.leave()
        finally:
            self._now.close()
            for frame in frames[1:]:
                frame.close()

    def _open(self, directory: int, before: Node | None, prefix: str) -> _Frame:
        names = set(os.listdir(directory))
        if before is not None and (not self._is_layered or is_opaque(directory)):
            names.update(children(before))  # what is not here any more is gone without a whiteout
        return _Frame(before, prefix, iter(sorted(names)))

    def _compare(self, frame: _Frame, name: str) -> _Frame | None:
        path = frame.prefix + name
        before = lookup(frame.before, name) if frame.before else None
        try:
            after = os.stat(name, dir_fd=self._now.fd, follow_symlinks=False)
        except FileNotFoundError:
            after = None
        if after is not None and stat.S_ISDIR(after.st_mode):
            return self._enter(path, name, before, after)
        if after is None or is_whiteout(after):
            if before is not None:
                self._note(path, ChangeKind.DELETED)
        elif before is None:
            if after.st_size or path not in MOUNT_POINTS:
                self._note(path, ChangeKind.ADDED)
        elif _differs(before.status, after):
            self._note(path, ChangeKind.CHANGED)
        if before is not None:
            before.close()
        return None

    def _enter(self, path: str, name: str, before: Node | None, after: os.stat_result) -> _Frame:
        if before is None:
            if path not in MOUNT_POINTS:
                self._note(path, ChangeKind.ADDED)
        elif _differs(before.status, after):
            self._note(path, ChangeKind.CHANGED)
        merged = before if before is not None and before.is_directory else None
        directory = self._now.enter(name)
        inner = self._open(directory, merged, path + "/")
        if before is None and path in MOUNT_POINTS and _has_more(directory, path):
            self._note(path, ChangeKind.ADDED)
        return inner

    def _note(self, path: str, kind: ChangeKind) -> None:
        self.changes[path] = kind
        parent = path.rpartition("/")[0]
        while parent and parent not in self.changes:
            self.changes[parent] = ChangeKind.CHANGED
            parent = parent.rpartition("/")[0]


def _has_more(directory: int, path: str) -> bool:
    """Whether in a folder that may have been made for mounts there is anything but mount points."""
    return any(f"{path}/{name}" not in MOUNT_POINTS for name in os.listdir(directory))


def _differs(before: os.stat_result, after: os.stat_result) -> bool:
    if _identity(before) != _identity(after):
        return True
    is_directory = stat.S_ISDIR(after.st_mode)
    return not is_directory and (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size)


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return status.st_mode, status.st_uid, status.st_gid, status.st_rdev
