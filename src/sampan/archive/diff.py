# SPDX-License-Identifier: Apache-2.0
"""Directories into layer tars.

Implements: OCI image-spec 1.1, layer.md, "Representing Changes".
Holds: the same directory gives the same bytes, so a layer's tar need not be kept: it is made again when
somebody wants it, and its diff ID says whether it is the same.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

from sampan.archive.digesting import DigestWriter
from sampan.archive.tree_writer import TreeWriter
from sampan.archive.walk import Found, iter_tree
from sampan.archive.whiteout import is_opaque, is_whiteout
from sampan.archive.writer import Writable
from sampan.oci.digest import Digest

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_SECOND_NS = 1_000_000_000
_CHUNK = 1 << 18


@dataclass(frozen=True, slots=True)
class WrittenLayer:
    """The tar that was written: its digest, which is the layer's diff ID, and its length."""

    diff_id: Digest
    size_bytes: int


def write_layer(upper: str, out: Writable | None) -> WrittenLayer:
    """Write the layer that an overlayfs upper directory amounts to (out None: only its diff ID is wanted)."""
    digesting = DigestWriter(out)
    writer = TreeWriter(digesting)
    root = os.open(upper, _DIRECTORY)
    try:
        for found in iter_tree(root):
            _write_upper(writer, found)
    finally:
        os.close(root)
    writer.close()
    return WrittenLayer(digesting.digest, digesting.size_bytes)


def write_tree_diff(old: str | None, new: str, out: Writable | None) -> WrittenLayer:
    """Write the layer that makes the tree `old` (None: nothing) the tree `new`; both are whole trees."""
    digesting = DigestWriter(out)
    writer = TreeWriter(digesting)
    new_root = os.open(new, _DIRECTORY)
    old_root = os.open(old, _DIRECTORY) if old is not None else None
    try:
        _Comparison(writer).compare(old_root, new_root, "")
    finally:
        os.close(new_root)
        if old_root is not None:
            os.close(old_root)
    writer.close()
    return WrittenLayer(digesting.digest, digesting.size_bytes)


def _write_upper(writer: TreeWriter, found: Found) -> None:
    if is_whiteout(found.status):
        writer.add_whiteout(found.path, found.status.st_mtime_ns)
        return
    writer.add(found.path, found.parent, found.name, found.status)
    if found.directory is not None and is_opaque(found.directory):
        writer.add_opaque(found.path, found.status.st_mtime_ns)


class _Comparison:
    """Walks two trees side by side. A changed file's parents are written too, before it."""

    def __init__(self, writer: TreeWriter) -> None:
        self._writer = writer
        self._pending: list[tuple[str, int, str, os.stat_result]] = []

    def compare(self, old: int | None, new: int, prefix: str) -> None:
        old_names = set(os.listdir(old)) if old is not None else set()
        names = set(os.listdir(new))
        for name in sorted(names | old_names):
            before = _status(old, name) if name in old_names else None
            if name not in names:
                self._write_parents()
                self._writer.add_whiteout(prefix + name, os.fstat(new).st_mtime_ns)
                continue
            self._compare_entry(before, old, new, name, prefix + name)

    def _compare_entry(
        self, before: os.stat_result | None, old: int | None, new: int, name: str, path: str
    ) -> None:
        after = os.stat(name, dir_fd=new, follow_symlinks=False)
        changed = before is None or old is None or _differs(before, after, old, new, name)
        if not stat.S_ISDIR(after.st_mode):
            if changed:
                self._write_parents()
                self._writer.add(path, new, name, after)
            return
        self._pending.append((path, new, name, after))
        if changed:
            self._write_parents()
        is_merged = before is not None and stat.S_ISDIR(before.st_mode)
        with _Opened(old if is_merged else None, name) as inner_old, _Opened(new, name) as inner_new:
            assert inner_new is not None
            self.compare(inner_old, inner_new, path + "/")
        if self._pending and self._pending[-1][0] == path:
            self._pending.pop()

    def _write_parents(self) -> None:
        for path, parent, name, status in self._pending:
            self._writer.add(path, parent, name, status)
        self._pending.clear()


class _Opened:
    """A directory below another one, for as long as it is walked; nothing stays nothing."""

    def __init__(self, parent: int | None, name: str) -> None:
        flags = _DIRECTORY | os.O_NOFOLLOW
        self._fd = None if parent is None else os.open(name, flags, dir_fd=parent)

    def __enter__(self) -> int | None:
        return self._fd

    def __exit__(self, *_: object) -> None:
        if self._fd is not None:
            os.close(self._fd)


def _status(directory: int | None, name: str) -> os.stat_result | None:
    return None if directory is None else os.stat(name, dir_fd=directory, follow_symlinks=False)


def _differs(before: os.stat_result, after: os.stat_result, old: int, new: int, name: str) -> bool:
    """Whether a file has changed: by what stat says, by attributes and, where its time may hide it, by content."""
    if (before.st_mode, before.st_uid, before.st_gid, before.st_rdev) != (
        after.st_mode,
        after.st_uid,
        after.st_gid,
        after.st_rdev,
    ):
        return True
    if not stat.S_ISDIR(after.st_mode) and (before.st_mtime_ns, before.st_size) != (
        after.st_mtime_ns,
        after.st_size,
    ):
        return True
    if (
        stat.S_ISREG(after.st_mode)
        and after.st_mtime_ns % _SECOND_NS == 0
        and not _same_content(old, new, name)
    ):
        return True
    return _attributes(old, name) != _attributes(new, name)


def _same_content(old: int, new: int, name: str) -> bool:
    """Compare two files of one size. Times of layers are whole seconds: a change within one does not show in them."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
    with (
        open(os.open(name, flags, dir_fd=old), "rb") as first,
        open(os.open(name, flags, dir_fd=new), "rb") as second,
    ):
        while chunk := first.read(_CHUNK):
            if chunk != second.read(_CHUNK):
                return False
    return True


def _attributes(directory: int, name: str) -> dict[str, bytes]:
    path = f"/proc/self/fd/{directory}/{name}"
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError:
        return {}
    return {attribute: os.getxattr(path, attribute, follow_symlinks=False) for attribute in names}
