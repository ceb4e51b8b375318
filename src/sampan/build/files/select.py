# SPDX-License-Identifier: Apache-2.0
"""What the sources of a COPY mean in a tree, and the digest of it all.

Implements: the Dockerfile reference, COPY, "Copying from the build context", "Pattern matching", "--parents",
"--exclude".
Holds: the digest says what the copy would write: names, kinds, modes, contents, link targets, and owners
where those are kept. Times, and the owners of context files, are no part of it.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from sampan.build.dockerfile.nearest import nearest
from sampan.build.files.digests import FileDigests
from sampan.build.files.names import Folder, canonical, join, parent_of
from sampan.build.files.scan import Entry, Filters, scan
from sampan.build.files.xattrs import read_xattrs
from sampan.build.patterns import PatternSet, compile_glob, has_wildcards
from sampan.errors import NotFound

_WORKERS = min(8, (os.cpu_count() or 1) + 1)
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class SourceMissing(NotFound):
    """A source names nothing in its tree."""

    def __init__(self, source: str, near: str | None) -> None:
        super().__init__(
            f'failed to compute cache key: "/{source.lstrip("/")}": not found',
            hint=f"did you mean {near}?" if near else None,
        )
        self.source = source


@dataclass(frozen=True, slots=True)
class Item:
    """One source: a file under the name it was asked for by, or a folder with what is in it.

    With `keep_parents` the entries' names begin at the pivot, and go into the destination with their folders.
    """

    base_name: str
    top: Entry
    entries: tuple[Entry, ...] = ()
    keep_parents: bool = False


@dataclass(frozen=True, slots=True)
class Selection:
    """All that one step copies from one tree, with the digests of its files by canonical path."""

    root_fd: int
    items: tuple[Item, ...]
    keep_owners: bool
    digests: dict[str, bytes] = field(default_factory=dict)

    def files(self) -> list[Entry]:
        """The regular files, each once."""
        found = {
            entry.path: entry for item in self.items for entry in (item.top, *item.entries) if entry.is_file
        }
        return list(found.values())

    def digest(self) -> bytes:
        """What would be written, in 32 bytes."""
        hasher = hashlib.sha256()
        for item in self.items:
            if item.top.is_folder and not item.keep_parents:
                hasher.update(b"folder\0")
            else:
                hasher.update(b"item\0" + self._line(item.top, item.base_name))
            for entry in item.entries:
                hasher.update(self._line(entry, entry.name))
        return hasher.digest()

    def _line(self, entry: Entry, name: str) -> bytes:
        status = entry.status
        fields = [os.fsencode(name), b"%o" % status.st_mode]
        if self.keep_owners:
            fields.append(b"%d:%d" % (status.st_uid, status.st_gid))
            for attribute, value in read_xattrs(self.root_fd, entry.path):
                fields += [os.fsencode(attribute), value]
        if entry.is_file:
            fields.append(self.digests[entry.path])
        elif entry.is_link:
            fields.append(os.fsencode(os.readlink(entry.path, dir_fd=self.root_fd)))
        else:
            fields.append(b"%d" % status.st_rdev)
        return b"\0".join(b"%d " % len(part) + part for part in fields)


def select(
    root_fd: int,
    sources: Sequence[str],
    filters: Filters,
    *,
    keep_owners: bool,
    parents: bool = False,
) -> Selection:
    """Find the sources; SourceMissing for a plain name that is not there (a wildcard may match nothing)."""
    tree = Folder(root_fd)
    items: list[Item] = []
    for source in sources:
        if parents:
            items.append(_with_parents(root_fd, source, filters))
            continue
        paths = _matches(tree, source, filters.ignored)
        found = [_item(root_fd, tree, path, source, filters) for path in paths]
        items += [item for item in found if not _is_excluded(item, filters)]
    return Selection(root_fd, tuple(items), keep_owners)


def hash_files(selection: Selection, digests: FileDigests) -> None:
    """Fill in the digests of the selection's files, reading only those that are not known."""
    unknown: list[Entry] = []
    for entry in selection.files():
        digest = digests.known(entry.status)
        if digest is None:
            unknown.append(entry)
        else:
            selection.digests[entry.path] = digest
    if not unknown:
        return
    with ThreadPoolExecutor(_WORKERS) as pool:
        for entry, digest in zip(
            unknown, pool.map(lambda item: _hash(selection.root_fd, item, digests), unknown), strict=True
        ):
            selection.digests[entry.path] = digest


def _hash(root_fd: int, entry: Entry, digests: FileDigests) -> bytes:
    fd = os.open(entry.path, _FILE, dir_fd=root_fd)
    try:
        return digests.read(fd)
    finally:
        os.close(fd)


def _item(root_fd: int, tree: Folder, path: str, source: str, filters: Filters) -> Item:
    """A link named by the source is followed; the file keeps the link's name."""
    resolved = canonical(tree, path)
    status = tree.lookup(resolved)
    if status is None or (
        resolved and filters.ignored.matches(resolved) and not stat.S_ISDIR(status.st_mode)
    ):
        raise _missing(root_fd, source, filters)
    top = Entry("", resolved, status)
    entries = tuple(scan(root_fd, resolved, filters)) if top.is_folder else ()
    if top.is_folder and not entries and resolved and filters.ignored.matches(resolved):
        raise _missing(root_fd, source, filters)
    base_name = path.rstrip("/").rpartition("/")[2]
    return Item(base_name or resolved.rpartition("/")[2], top, entries)


def _is_excluded(item: Item, filters: Filters) -> bool:
    """``--exclude`` also leaves out a source itself, if it is a file."""
    names = (item.base_name, item.top.path)
    return not item.top.is_folder and any(filters.excluded.matches(name) for name in names)


def _matches(tree: Folder, source: str, ignored: PatternSet) -> list[str]:
    """The paths that a source with wildcards means, sorted; ``**`` is no more than ``*``."""
    if not has_wildcards(source):
        return [source]
    fixed: list[str] = []
    pending = [part for part in source.split("/") if part not in ("", ".")]
    while pending and not has_wildcards(pending[0]):
        fixed.append(pending.pop(0))
    found = [canonical(tree, "/".join(fixed))]
    for part in pending:
        glob = compile_glob(part)
        found = [
            join(folder, name) for folder in found for name in _names(tree, folder) if glob.fullmatch(name)
        ]
    return [path for path in found if not _is_gone(tree, path, ignored)]


def _is_gone(tree: Folder, path: str, ignored: PatternSet) -> bool:
    """Ignored, unless it is a folder in which something may have been taken back."""
    if not ignored.matches(path):
        return False
    status = tree.lookup(path)
    return status is None or not stat.S_ISDIR(status.st_mode) or not ignored.may_except_below(path)


def _names(tree: Folder, folder: str) -> list[str]:
    status = tree.lookup(folder)
    if status is None or not stat.S_ISDIR(status.st_mode):
        return []
    fd = os.open(folder or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=tree.fd)
    try:
        return sorted(os.listdir(fd))
    finally:
        os.close(fd)


def _with_parents(root_fd: int, source: str, filters: Filters) -> Item:
    """``--parents``: names are kept from the pivot ``/./`` (or the root) on, and ``**`` crosses folders."""
    before, found, pattern = source.partition("/./")
    if not found:
        before, pattern = "", source
    tree = Folder(root_fd)
    pivot = canonical(tree, before)
    pattern = pattern.strip("/").removeprefix("./")
    wanted = PatternSet([pattern or "**"])
    entries = _keep_matching(tuple(scan(root_fd, pivot, filters)), wanted)
    status = tree.lookup(pivot)
    if status is None or (not entries and not has_wildcards(source)):
        raise _missing(root_fd, source, filters)
    return Item("", Entry("", pivot, status), entries, keep_parents=True)


def _keep_matching(entries: tuple[Entry, ...], wanted: PatternSet) -> tuple[Entry, ...]:
    """The entries that match, with the folders that lead to them."""
    kept: set[str] = set()
    for entry in entries:
        if wanted.matches(entry.name):
            name = entry.name
            while name and name not in kept:
                kept.add(name)
                name = parent_of(name)
    return tuple(entry for entry in entries if entry.name in kept)


def _missing(root_fd: int, source: str, filters: Filters) -> SourceMissing:
    """The error, with the nearest name that is there."""
    folder, _, wanted = source.strip("/").rpartition("/")
    names: Iterable[str] = ()
    tree = Folder(root_fd)
    parent = canonical(tree, folder)
    names = [name for name in _names(tree, parent) if not filters.ignored.matches(join(parent, name))]
    near = nearest(wanted, names)
    return SourceMissing(source, join(folder, near) if near else None)
