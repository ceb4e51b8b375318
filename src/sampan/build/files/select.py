# SPDX-License-Identifier: Apache-2.0
"""What the sources of a COPY mean in a tree, and the digest of it all.

Implements: the Dockerfile reference, COPY, "Copying from the build context", "Pattern matching", "--parents",
"--exclude".
Holds: the digest says what the copy would write: names, kinds, modes, contents, link targets, and owners
where those are kept. Times, and the owners of context files, are no part of it; times have a digest of their own.
"""

from __future__ import annotations

import errno
import hashlib
import os
import posixpath
import stat
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from sampan.build.dockerfile.nearest import nearest
from sampan.build.files.contents import Copying
from sampan.build.files.digests import FileDigests, status_key
from sampan.build.files.names import Folder, Guarded, canonical, join, parent_of
from sampan.build.files.scan import Entry, Filters, scan
from sampan.build.files.xattrs import read_xattrs
from sampan.build.patterns import PatternSet, compile_glob, has_wildcards
from sampan.errors import Conflict, InvalidArgument, NotFound

_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EINVAL, errno.ENXIO, errno.EISDIR)
_WORKERS = min(8, (os.cpu_count() or 1) + 1)
_FILE = os.O_RDONLY | os.O_NONBLOCK


class SourceChanged(Conflict):
    """A file of a context was changed while it was read."""

    def __init__(self, path: str) -> None:
        super().__init__(f"/{path}: changed while it was copied")


class SourceMissing(NotFound):
    """A source names nothing in its tree."""

    def __init__(self, source: str, near: str | None) -> None:
        super().__init__(
            f'failed to compute cache key: "{posixpath.normpath("/" + source.lstrip("/"))}": not found',
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
    """All that one step copies from one tree, with the digests of its files by canonical path.

    Of a context that changes, `staged` are the names of copies of its files, whose digests these are.
    """

    tree: Folder
    items: tuple[Item, ...]
    keep_owners: bool
    digests: dict[str, bytes] = field(default_factory=dict)
    staged: dict[str, str] = field(default_factory=dict)

    @property
    def root_fd(self) -> int:
        """The tree's root."""
        return self.tree.fd

    def open(self, entry: Entry) -> int:
        """Open one of the files; SourceChanged if it is not there any more."""
        if entry.path in self.staged:
            return os.open(self.staged[entry.path], _FILE | os.O_CLOEXEC)
        try:
            return self.tree.open(entry.path, _FILE)
        except OSError as error:
            if self.keep_owners or error.errno not in _GONE:
                raise
            raise SourceChanged(entry.path) from None

    def require_unchanged(self, entry: Entry, fd: int) -> None:
        """What has been read must be the file that was found: its digest is part of a key."""
        if self.keep_owners or entry.path in self.staged:
            return
        if status_key(os.fstat(fd)) != status_key(entry.status):
            raise SourceChanged(entry.path)

    def read_link(self, entry: Entry) -> str:
        """Where one of the links points; SourceChanged if it is none any more."""
        try:
            return self.tree.read_link(entry.path)
        except OSError as error:
            if self.keep_owners or error.errno not in _GONE:
                raise
            raise SourceChanged(entry.path) from None

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

    def digest_times(self, latest_ns: int) -> bytes:
        """When what would be written was changed; all that is younger than `latest_ns` is as old as that."""
        entries = (entry for item in self.items for entry in (item.top, *item.entries))
        times = (min(entry.status.st_mtime_ns, latest_ns) for entry in entries)
        return hashlib.sha256(b"".join(b"%d " % time_ns for time_ns in times)).digest()

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
            fields.append(os.fsencode(self.read_link(entry)))
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
    tree = Folder(root_fd) if keep_owners else Guarded(root_fd)
    items: list[Item] = []
    for source in sources:
        if parents:
            items.append(_with_parents(tree, source, filters))
            continue
        paths = _matches(tree, source, filters.ignored)
        found = [_item(tree, path, source, filters) for path in paths]
        items += [item for item in found if not _is_excluded(item, filters)]
    return Selection(tree, tuple(items), keep_owners)


def hash_files(selection: Selection, digests: FileDigests, stage: str = "") -> None:
    """Fill in the digests of the selection's files, reading only those that are not known.

    With a folder to stage in, all files are copied into it first: what is hashed is then what will be copied, however
    much the tree changes.
    """
    unknown: list[Entry] = []
    if stage:
        _stage_files(selection, stage)
    for entry in selection.files():
        digest = None if stage else digests.known(entry.status)
        if digest is None:
            unknown.append(entry)
        else:
            selection.digests[entry.path] = digest
    if not unknown:
        return
    with ThreadPoolExecutor(_WORKERS) as pool:
        for entry, digest in zip(
            unknown, pool.map(lambda item: _hash(selection, item, digests), unknown), strict=True
        ):
            selection.digests[entry.path] = digest


def _stage_files(selection: Selection, stage: str) -> None:
    copying = Copying()
    for number, entry in enumerate(selection.files()):
        source = selection.open(entry)
        try:
            target = os.open(f"{stage}/{number}", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                copying.copy(source, target)
            finally:
                os.close(target)
        finally:
            os.close(source)
        selection.staged[entry.path] = f"{stage}/{number}"


def _hash(selection: Selection, entry: Entry, digests: FileDigests) -> bytes:
    fd = selection.open(entry)
    try:
        digest = digests.read(fd)
        selection.require_unchanged(entry, fd)
        return digest
    finally:
        os.close(fd)


def _item(tree: Folder, path: str, source: str, filters: Filters) -> Item:
    """A link named by the source is followed; the file keeps the link's name."""
    try:
        resolved = canonical(tree, path)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise InvalidArgument(
            f"failed to compute cache key: too many links: {path}: {error.strerror}"
        ) from None
    status = tree.lookup(resolved)
    if status is None or (
        resolved and filters.ignored.matches(resolved) and not stat.S_ISDIR(status.st_mode)
    ):
        raise _missing(tree, source, filters)
    top = Entry("", resolved, status)
    entries = tuple(scan(tree.fd, resolved, filters)) if top.is_folder else ()
    if top.is_folder and not entries and resolved and filters.ignored.matches(resolved):
        raise _missing(tree, source, filters)
    base_name = path.rstrip("/").rpartition("/")[2]
    return Item(base_name or resolved.rpartition("/")[2], top, entries)


def _is_excluded(item: Item, filters: Filters) -> bool:
    """``--exclude`` also leaves out a source itself, if it is a file."""
    names = (item.base_name, item.top.path)
    return not item.top.is_folder and any(filters.excluded.matches(name) for name in names)


def _matches(tree: Folder, source: str, ignored: PatternSet) -> list[str]:
    """The paths that a source with wildcards means, sorted; ``**`` is no more than ``*``.

    There need be none, but the folder before the first wildcard is a name like any other.
    """
    if not has_wildcards(source):
        return [source]
    fixed: list[str] = []
    pending = [part for part in source.split("/") if part not in ("", ".")]
    while pending and not has_wildcards(pending[0]):
        fixed.append(pending.pop(0))
    folder = canonical(tree, "/".join(fixed))
    status = tree.lookup(folder)
    if status is None or not stat.S_ISDIR(status.st_mode) or (folder and _is_gone(tree, folder, ignored)):
        raise NotFound(f"lstat /{folder}: no such file or directory")
    found = [folder]
    for part in pending:
        glob = compile_glob(part)
        found = [join(above, name) for above in found for name in _names(tree, above) if glob.fullmatch(name)]
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
    fd = tree.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return sorted(os.listdir(fd))
    finally:
        os.close(fd)


def _with_parents(tree: Folder, source: str, filters: Filters) -> Item:
    """``--parents``: names are kept from the pivot ``/./`` (or the root) on, and ``**`` crosses folders."""
    before, found, pattern = source.partition("/./")
    if not found:
        before, pattern = "", source
    pivot = canonical(tree, before)
    pattern = pattern.strip("/").removeprefix("./")
    wanted = PatternSet([pattern or "**"])
    entries = _keep_matching(tuple(scan(tree.fd, pivot, filters)), wanted)
    status = tree.lookup(pivot)
    if status is None or (not entries and not has_wildcards(source)):
        raise _missing(tree, source, filters)
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


def _missing(tree: Folder, source: str, filters: Filters) -> SourceMissing:
    """The error, with the nearest name that is there."""
    folder, _, wanted = source.strip("/").rpartition("/")
    names: Iterable[str] = ()
    parent = canonical(tree, folder)
    names = [name for name in _names(tree, parent) if not filters.ignored.matches(join(parent, name))]
    near = nearest(wanted, names)
    return SourceMissing(source, join(folder, near) if near else None)
