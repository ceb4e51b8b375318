# SPDX-License-Identifier: Apache-2.0
"""Write into the directory of a new snapshot, seeing what lies below it.

What is written is overlayfs's upper directory, so a folder that exists below must appear in it with the same
mode, owner and attributes before anything can be put into it. With a store that copies instead of stacking,
`below` is None and the directory is the whole tree.
"""

from __future__ import annotations

import os
import stat

from sampan.build.files.names import Folder, Tree, canonical, parent_of
from sampan.build.files.xattrs import copy_xattrs
from sampan.errors import InvalidArgument

DEFAULT_FOLDER_MODE = 0o755


class Upper(Tree):
    """A snapshot's tree while it is written; names are canonical (see ``names``)."""

    def __init__(self, fd: int, below: int | None) -> None:
        self.fd = fd
        self._own = Folder(fd)
        self._below = Folder(below) if below is not None else None
        # Folders that do not exist below: nothing in them needs to be looked up there.
        self._new: set[str] = set()
        self._made: set[str] = set()
        self._ready: set[str] = {""}
        self._changed_times: dict[str, tuple[int, int]] = {}

    def lookup(self, name: str) -> os.stat_result | None:
        """The status of a name in the merged tree."""
        status = self._own.lookup(name)
        if status is not None or self._below is None or self._is_new(parent_of(name)):
            return status
        return self._below.lookup(name)

    def read_link(self, name: str) -> str:
        """Where a link of the merged tree points."""
        tree = self._own if self._own.lookup(name) is not None else self._below or self._own
        return tree.read_link(name)

    def resolve(self, path: str, *, follow_last: bool = True, follow: bool = True) -> str:
        """The canonical name of a path in the merged tree; without `follow`, links are taken as names."""
        return canonical(self, path, follow_last=follow_last, step=lambda _name: follow)

    def make_folders(
        self, name: str, *, mode: int = DEFAULT_FOLDER_MODE, owner: tuple[int, int] = (0, 0)
    ) -> None:
        """Make the folder and its parents where missing; what exists keeps its mode and owner."""
        missing: list[str] = []
        while name not in self._ready:
            missing.append(name)
            name = parent_of(name)
        for folder in reversed(missing):
            self._make_folder(folder, mode, owner)

    def make_folder(self, name: str, mode: int, owner: tuple[int, int]) -> bool:
        """Make one folder whose parent exists; False if there is one already, InvalidArgument if a file is."""
        status = self.lookup(name)
        if status is not None and not stat.S_ISDIR(status.st_mode):
            raise InvalidArgument(f"cannot copy to non-directory: /{name}")
        self.make_folders(name, mode=mode, owner=owner)
        return status is None

    def require_folder(self, name: str) -> None:
        """InvalidArgument unless the name is a folder's."""
        status = self.lookup(name)
        if status is None or not stat.S_ISDIR(status.st_mode):
            raise InvalidArgument(f"mkdir /{name}: not a directory")

    def clear(self, name: str) -> None:
        """Make room for a file: an older one is replaced, a folder is not."""
        status = self.lookup(name)
        if status is None:
            return
        if stat.S_ISDIR(status.st_mode):
            raise InvalidArgument(f"cannot replace to directory /{name} with file")
        self._remove_own(name)

    def forget_made(self) -> None:
        """Somebody else has written into the snapshot: nothing is known to be empty any more."""
        self._made.clear()

    def is_untouched(self, folder: str) -> bool:
        """Whether a folder was made by this step, so that only this step's files are in it."""
        return folder in self._made

    def set_attributes(self, name: str, mode: int, owner: tuple[int, int]) -> None:
        """Owner, then mode: changing the owner clears the set-user-ID bits."""
        os.chown(name, *owner, dir_fd=self.fd, follow_symlinks=False)
        os.chmod(name, mode, dir_fd=self.fd)

    def set_times(self, name: str, times_ns: tuple[int, int]) -> None:
        """Set a folder's times when everything is written."""
        self._changed_times[name] = times_ns

    def finish(self) -> None:
        """Set the times of the folders: those from below are as they were."""
        for name, times in self._changed_times.items():
            os.utime(name or ".", ns=times, dir_fd=self.fd, follow_symlinks=False)

    def _make_folder(self, name: str, mode: int, owner: tuple[int, int]) -> None:
        status = self.lookup(name)
        below = None
        if self._below is not None and not self._is_new(parent_of(name)):
            below = self._below.lookup(name)
        if status is not None and not stat.S_ISDIR(status.st_mode):
            if stat.S_ISLNK(status.st_mode):
                # Only COPY --link gets here: a link in the way gives way to a folder.
                self._remove_own(name)
                status = below = None
            else:
                raise InvalidArgument(f"cannot copy to non-directory: /{name}")
        if self._own.lookup(name) is None:
            os.mkdir(name, 0o700, dir_fd=self.fd)
            self._dress(name, status, mode, owner)
        if below is None or not stat.S_ISDIR(below.st_mode):
            self._new.add(name)
        self._ready.add(name)

    def _dress(self, name: str, status: os.stat_result | None, mode: int, owner: tuple[int, int]) -> None:
        """A new folder gets what was asked for; one that exists below, what it has there."""
        if status is None:
            self._made.add(name)
            self.set_attributes(name, mode, owner)
            return
        assert self._below is not None
        self.set_attributes(name, stat.S_IMODE(status.st_mode), (status.st_uid, status.st_gid))
        copy_xattrs(self._below.fd, name, self.fd, name)
        self._changed_times[name] = (status.st_atime_ns, status.st_mtime_ns)

    def _remove_own(self, name: str) -> None:
        if self._own.lookup(name) is not None:
            os.unlink(name, dir_fd=self.fd)

    def _is_new(self, folder: str) -> bool:
        while folder:
            if folder in self._new:
                return True
            folder = parent_of(folder)
        return False
