# SPDX-License-Identifier: Apache-2.0
"""Files on disk as members of a tar archive.

Holds: the bytes depend on names, kinds, modes, owners, whole seconds of mtime, contents, links among the
files added, and the attributes security.capability and user.* only. So the same tree always gives the same
archive.
"""

from __future__ import annotations

import errno
import os
import stat

from sampan.archive import whiteout
from sampan.archive.entry import Entry, Kind, kind_of
from sampan.archive.writer import TarWriter, Writable
from sampan.errors import DataCorrupt

_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_SECOND_NS = 1_000_000_000
_KEPT = "security.capability"
_KEPT_PREFIX = "user."
_FOREIGN = ("redirect", "metacopy")


class TreeWriter:
    """Adds files by the descriptor of their directory; sockets are left out, as by every tar."""

    def __init__(
        self, out: Writable, *, owner: tuple[int, int] | None = None, mtime_ns: int | None = None
    ) -> None:
        self._tar = TarWriter(out)
        self._owner = owner
        self._mtime_ns = mtime_ns
        self._linked: dict[tuple[int, int], str] = {}

    def add(self, path: str, parent: int, name: str, status: os.stat_result) -> None:
        """Add `name` in the directory `parent` as the member `path`."""
        kind = kind_of(status.st_mode)
        if kind is None:
            return
        if status.st_nlink > 1 and kind is not Kind.DIRECTORY:
            first = self._linked.setdefault((status.st_dev, status.st_ino), path)
            if first != path:
                self._tar.add(self._entry(path, Kind.LINK, status, link=first))
                return
        if kind is Kind.FILE or kind is Kind.DIRECTORY:
            self._add_opened(path, kind, parent, name)
        elif kind is Kind.SYMLINK:
            self._tar.add(self._entry(path, kind, status, link=os.readlink(name, dir_fd=parent)))
        else:
            self._tar.add(self._entry(path, kind, status))

    def forget_links(self) -> None:
        """What is added from here on is another tree."""
        self._linked.clear()

    def add_whiteout(self, path: str, mtime_ns: int) -> None:
        """Add the mark that `path` is gone."""
        parent, slash, name = path.rpartition("/")
        marker = Entry(
            f"{parent}{slash}{whiteout.PREFIX}{name}", Kind.FILE, mode=0o600, mtime_ns=_whole(mtime_ns)
        )
        self._tar.add(marker)

    def add_opaque(self, path: str, mtime_ns: int) -> None:
        """Add the mark that what was in the directory `path` is gone."""
        self._tar.add(Entry(f"{path}/{whiteout.OPAQUE}", Kind.FILE, mode=0o600, mtime_ns=_whole(mtime_ns)))

    def close(self) -> None:
        """Write the end of the archive."""
        self._tar.close()

    def _add_opened(self, path: str, kind: Kind, parent: int, name: str) -> None:
        fd = os.open(name, _FILE, dir_fd=parent)
        try:
            status = os.fstat(fd)  # of what is read, should a running container have changed the name
            if kind_of(status.st_mode) is kind:
                entry = self._entry(path, kind, status, xattrs=_read_attributes(fd, path))
                self._tar.add(entry, fd if kind is Kind.FILE else None)
        finally:
            os.close(fd)

    def _entry(
        self,
        path: str,
        kind: Kind,
        status: os.stat_result,
        *,
        link: str = "",
        xattrs: dict[str, bytes] | None = None,
    ) -> Entry:
        uid, gid = self._owner or (status.st_uid, status.st_gid)
        is_device = kind in (Kind.CHARACTER, Kind.BLOCK)
        return Entry(
            name=path,
            kind=kind,
            mode=stat.S_IMODE(status.st_mode),
            uid=uid,
            gid=gid,
            size=status.st_size if kind is Kind.FILE else 0,
            mtime_ns=_whole(status.st_mtime_ns if self._mtime_ns is None else self._mtime_ns),
            link=link,
            major=os.major(status.st_rdev) if is_device else 0,
            minor=os.minor(status.st_rdev) if is_device else 0,
            xattrs=xattrs or {},
        )


def _read_attributes(fd: int, path: str) -> dict[str, bytes]:
    try:
        names = os.listxattr(fd)
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:
            return {}
        raise
    for name in names:
        if whiteout.is_overlay_attribute(name) and name.endswith(_FOREIGN):
            raise DataCorrupt(f"{path} refers to a lower layer by {name}: it was mounted with other options")
    return {
        name: os.getxattr(fd, name)
        for name in sorted(names)
        if name == _KEPT or (name.startswith(_KEPT_PREFIX) and not whiteout.is_overlay_attribute(name))
    }


def _whole(time_ns: int) -> int:
    """Whole seconds: what other builders' layers have, and what every filesystem can hold."""
    return time_ns // _SECOND_NS * _SECOND_NS
