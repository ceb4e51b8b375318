# SPDX-License-Identifier: Apache-2.0
"""Copy a selection into a snapshot, as BuildKit's COPY does.

Holds: contents, modes and times are kept; owners too where they come from an image, and extended attributes;
hard links within one selection stay hard links. A file that an earlier snapshot of ours holds already, with
everything the same, is linked instead of copied: committed snapshots never change.
Not here: what the sources mean (``select``), archives (``unpack``).
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sampan.build.files.contents import Copying
from sampan.build.files.names import join, parent_of
from sampan.build.files.scan import Entry
from sampan.build.files.select import Item, Selection
from sampan.build.files.upper import DEFAULT_FOLDER_MODE, Upper
from sampan.build.files.xattrs import copy_xattrs
from sampan.build.modes import ModeChange
from sampan.errors import Cancelled

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NOT_LINKED = (errno.EMLINK, errno.EXDEV, errno.ENOENT, errno.EPERM)


Written = tuple[bytes, int, int, int, int, int]
"""A regular file in a snapshot: content's digest, size, mtime in ns, mode, uid, gid."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """What an earlier run of the same step committed: its directory, and the files in it by name."""

    fd: int
    files: Mapping[str, Written]


@dataclass(slots=True)
class Transfer:
    """How files shall arrive: owner and mode when they are given, and what may be used again."""

    owner: tuple[int, int] | None = None
    mode: ModeChange | None = None
    folder_mode: int = DEFAULT_FOLDER_MODE
    """That of the folders which are made on the way."""
    link: bool = False
    keep_xattrs: bool = False
    earlier: Earlier | None = None
    is_stopped: Callable[[], bool] = lambda: False
    written: dict[str, Written] = field(default_factory=dict)
    """The files written, for the next run."""
    names: set[str] = field(default_factory=set)
    """Everything written but folders."""

    def make_folders(self, upper: Upper, name: str) -> None:
        """Make the folder and its parents where missing."""
        upper.make_folders(name, mode=self.folder_mode, owner=self.owner or (0, 0))


def copy_selection(selection: Selection, upper: Upper, destination: str, transfer: Transfer) -> None:
    """Write the selection to the destination (absolute; a slash at the end means a folder)."""
    copier = _Copier(selection, upper, transfer)
    for item in selection.items:
        copier.copy(item, destination)


class _Copier:
    def __init__(self, selection: Selection, upper: Upper, transfer: Transfer) -> None:
        self.selection = selection
        self.upper = upper
        self.transfer = transfer
        self.copying = Copying(transfer.is_stopped)
        self.links: dict[tuple[int, int], str] = {}

    def copy(self, item: Item, destination: str) -> None:
        target = self._resolve(destination)
        if item.keep_parents or item.top.is_folder:
            self._make_folders(target)
            self._copy_tree(item, target)
        else:
            self._copy_one(item, destination, target)

    def _resolve(self, path: str) -> str:
        return self.upper.resolve(path, follow=not self.transfer.link)

    def _copy_one(self, item: Item, destination: str, target: str) -> None:
        status = self.upper.lookup(target)
        if destination.endswith("/") or (status is not None and stat.S_ISDIR(status.st_mode)):
            self._make_folders(target)
            target = join(target, item.base_name)
        else:
            self._make_folders(parent_of(target))
        self._write(item.top, target)

    def _copy_tree(self, item: Item, target: str) -> None:
        """Folders in the tree take the source's mode and owner, also where they exist."""
        for entry in item.entries:
            if self.transfer.is_stopped():
                raise Cancelled("copy stopped")
            name = join(target, entry.name)
            if entry.is_folder:
                mode, owner = self._mode(entry), self._owner(entry)
                if not self.upper.make_folder(name, mode, owner):
                    self.upper.set_attributes(name, mode, owner)
                self.upper.set_times(name, (entry.status.st_mtime_ns, entry.status.st_mtime_ns))
                self._copy_xattrs(entry, name)
            else:
                self._write(entry, name)

    def _make_folders(self, name: str) -> None:
        self.transfer.make_folders(self.upper, name)

    def _write(self, entry: Entry, name: str) -> None:
        if name in self.transfer.names or not self.upper.is_untouched(parent_of(name)):
            self.upper.clear(name)
        self.transfer.names.add(name)
        if self._link_again(entry, name):
            return
        if entry.is_file:
            self._write_file(entry, name)
        else:
            self._write_special(entry, name)

    def _link_again(self, entry: Entry, name: str) -> bool:
        """A second name of a file that this copy has written."""
        if entry.status.st_nlink < 2 or not entry.is_file:
            return False
        key = (entry.status.st_dev, entry.status.st_ino)
        first = self.links.setdefault(key, name)
        if first == name:
            return False
        os.link(first, name, src_dir_fd=self.upper.fd, dst_dir_fd=self.upper.fd, follow_symlinks=False)
        if first in self.transfer.written:
            self.transfer.written[name] = self.transfer.written[first]
        return True

    def _write_file(self, entry: Entry, name: str) -> None:
        mode, (uid, gid) = self._mode(entry), self._owner(entry)
        status = entry.status
        digest = self.selection.digests.get(entry.path)
        if digest is not None:
            wanted = (digest, status.st_size, status.st_mtime_ns, mode, uid, gid)
            self.transfer.written[name] = wanted
            if self._reuse(name, wanted):
                return
        source = self.selection.open(entry)
        try:
            target = os.open(name, _CREATE, 0o600, dir_fd=self.upper.fd)
            try:
                self.copying.copy(source, target)
                if digest is not None:
                    self.selection.require_unchanged(entry, source)
                # Always: a folder with the set-group-ID bit gives its group to what is made in it.
                os.fchown(target, uid, gid)
                self._copy_xattrs(entry, name)
                os.fchmod(target, mode)
                os.utime(target, ns=(status.st_mtime_ns, status.st_mtime_ns))
            finally:
                os.close(target)
        finally:
            os.close(source)

    def _reuse(self, name: str, wanted: Written) -> bool:
        """Link the file that the earlier snapshot has under this name, if all of it is as it shall be."""
        earlier = self.transfer.earlier
        if earlier is None or self.transfer.keep_xattrs or earlier.files.get(name) != wanted:
            return False
        return _try_link(earlier.fd, name, self.upper.fd, name)

    def _write_special(self, entry: Entry, name: str) -> None:
        status = entry.status
        if entry.is_link:
            os.symlink(self.selection.read_link(entry), name, dir_fd=self.upper.fd)
        elif stat.S_ISSOCK(status.st_mode):
            return
        else:
            os.mknod(name, stat.S_IFMT(status.st_mode) | 0o600, status.st_rdev, dir_fd=self.upper.fd)
        os.chown(name, *self._owner(entry), dir_fd=self.upper.fd, follow_symlinks=False)
        if not entry.is_link:
            os.chmod(name, self._mode(entry), dir_fd=self.upper.fd)
        self._copy_xattrs(entry, name)
        os.utime(
            name, ns=(status.st_mtime_ns, status.st_mtime_ns), dir_fd=self.upper.fd, follow_symlinks=False
        )

    def _mode(self, entry: Entry) -> int:
        mode = stat.S_IMODE(entry.status.st_mode)
        return self.transfer.mode(mode, entry.is_folder) if self.transfer.mode is not None else mode

    def _owner(self, entry: Entry) -> tuple[int, int]:
        if self.transfer.owner is not None:
            return self.transfer.owner
        if not self.selection.keep_owners:
            return (0, 0)
        return (entry.status.st_uid, entry.status.st_gid)

    def _copy_xattrs(self, entry: Entry, name: str) -> None:
        if self.transfer.keep_xattrs:
            copy_xattrs(self.selection.root_fd, entry.path, self.upper.fd, name)


def make_document(upper: Upper, destination: str, name: str, content: bytes, transfer: Transfer) -> None:
    """Write an inline document: 0644, or as the flags say."""
    target = upper.resolve(destination, follow=not transfer.link)
    status = upper.lookup(target)
    owner = transfer.owner or (0, 0)
    if destination.endswith("/") or (status is not None and stat.S_ISDIR(status.st_mode)):
        transfer.make_folders(upper, target)
        target = join(target, name)
    else:
        transfer.make_folders(upper, parent_of(target))
    upper.clear(target)
    fd = os.open(target, _CREATE, 0o600, dir_fd=upper.fd)
    with open(fd, "wb") as file:
        file.write(content)
        os.fchown(fd, *owner)
        os.fchmod(fd, transfer.mode(0o644, False) if transfer.mode is not None else 0o644)


def _try_link(source_fd: int, source: str, target_fd: int, target: str) -> bool:
    """Whether the file got a second name; False where that is not possible and it must be copied."""
    try:
        os.link(source, target, src_dir_fd=source_fd, dst_dir_fd=target_fd, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NOT_LINKED:
            raise
        return False
    else:
        return True
