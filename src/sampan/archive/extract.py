# SPDX-License-Identifier: Apache-2.0
"""Unpacking archive members below a directory, whatever they are called and wherever their links point.

Holds: nothing outside of the root is read or written. Names are cleaned as Docker does (leading slashes mean
nothing, ``..`` that would leave is refused), parents are resolved by the kernel inside the root (openat2),
and the last name is never followed: what is there gives way. Only a directory that meets a directory is kept.

The root may be the upper directory of an overlay: with `lowers`, parents that exist only there are made with
the attributes they have there, links below are followed, and what replaces a directory of theirs hides it.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from sampan.archive.copy_up import copy_up
from sampan.archive.directories import Directories
from sampan.archive.entry import ArchiveRefused, Entry, InvalidArchive, Kind
from sampan.archive.reader import TarReader
from sampan.archive.whiteout import is_overlay_attribute, is_whiteout, set_opaque
from sampan.errors import DiskFull, Internal, PermissionDenied, SampanError
from sampan.linux.tree import remove_tree

_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_DEVICES = {Kind.CHARACTER: stat.S_IFCHR, Kind.BLOCK: stat.S_IFBLK, Kind.FIFO: stat.S_IFIFO}
_MAX_TIME_NS = (1 << 63) - 1
_ARCHIVES_FAULT = frozenset(
    {errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL, errno.ENOTDIR, errno.ENOENT, errno.EFBIG, errno.EISDIR}
)
_NO_SUCH_ATTRIBUTE = frozenset({errno.EOPNOTSUPP, errno.EPERM})


@dataclass(frozen=True, slots=True)
class Limits:
    """What an archive may unpack to; None is no limit."""

    max_bytes: int | None = None
    max_entries: int | None = None
    max_stream_bytes: int | None = None
    """Of the archive itself, uncompressed: what a bomb is made of need not be in any member."""


class Extraction:
    """One unpacking: `add` members in the order of the archive, then `finish`."""

    def __init__(
        self,
        root: int,
        *,
        base: str = "/",
        lowers: Sequence[str] = (),
        is_layered: bool = False,
        owner: tuple[int, int] | None = None,
        keep_kinds: bool = False,
        limits: Limits | None = None,
    ) -> None:
        self.directories = Directories(root, lowers)
        self.size_bytes = 0
        self.entries = 0
        self._base = clean_name(base)
        self._is_layered = is_layered or bool(lowers)
        self._owner = owner
        self._keep_kinds = keep_kinds
        self._limits = limits or Limits()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.directories.close()

    def add(self, entry: Entry, reader: TarReader) -> None:
        """Unpack a member; `reader` is at its data."""
        self._count(entry)
        self.directories.release()
        path = self.path_of(entry.name)
        try:
            if path == self._base:
                self._finish_root(entry, path)
                return
            parent, _, name = path.rpartition("/")
            parent_fd = self.directories.open(parent)
            if self._keep_kinds:
                self._refuse_other_kind(entry, path)
            self._make(entry, reader, parent_fd, path, name)
        except OSError as error:
            raise failure(entry, error) from error

    def finish(self) -> None:
        """Set the times of directories, which making things in them has changed."""
        self.directories.restore_times()

    def path_of(self, name: str) -> str:
        """Where a member goes, relative to the root, without a leading slash."""
        cleaned = clean_name(name)
        return f"{self._base}/{cleaned}".strip("/") if cleaned else self._base

    def clear(self, parent_fd: int, path: str, name: str) -> bool:
        """Remove what has this name; return whether something had."""
        try:
            status = os.stat(name, dir_fd=parent_fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        if stat.S_ISDIR(status.st_mode):
            self.directories.forget(path)
            remove_tree(name, dir_fd=parent_fd)
        else:
            if stat.S_ISLNK(status.st_mode):
                self.directories.forget(path)
            os.unlink(name, dir_fd=parent_fd)
        return True

    def _make(self, entry: Entry, reader: TarReader, parent_fd: int, path: str, name: str) -> None:
        if entry.kind is Kind.DIRECTORY:
            self._make_directory(entry, parent_fd, path, name)
            return
        try:
            self._make_file(entry, reader, parent_fd, name)
        except FileExistsError:
            self.clear(parent_fd, path, name)
            self._make_file(entry, reader, parent_fd, name)

    def _make_file(self, entry: Entry, reader: TarReader, parent_fd: int, name: str) -> None:
        match entry.kind:
            case Kind.FILE:
                self._make_regular(entry, reader, parent_fd, name)
            case Kind.LINK:
                self._make_link(entry, parent_fd, name)
            case Kind.SYMLINK:
                os.symlink(entry.link, name, dir_fd=parent_fd)
                self._chown_at(entry, parent_fd, name)
                times = (bounded_time(entry.mtime_ns),) * 2
                os.utime(name, ns=times, dir_fd=parent_fd, follow_symlinks=False)
            case _:
                self._make_device(entry, parent_fd, name)

    def _make_regular(self, entry: Entry, reader: TarReader, parent_fd: int, name: str) -> None:
        fd = os.open(name, _FILE, 0o600, dir_fd=parent_fd)
        try:
            if entry.segments is None:
                for chunk in reader.chunks():
                    _write_all(fd, chunk)
            else:
                _write_sparse(fd, entry, reader)
            self._finish_descriptor(entry, fd)
        finally:
            os.close(fd)

    def _make_link(self, entry: Entry, parent_fd: int, name: str) -> None:
        self._link(entry, parent_fd, name)
        # Every header has a mode, and what a link's says comes last, as with Docker. The owner is left alone: to set
        # it again would take a program's capabilities away.
        status = os.stat(name, dir_fd=parent_fd, follow_symlinks=False)
        if not stat.S_ISLNK(status.st_mode) and stat.S_IMODE(status.st_mode) != entry.mode:
            os.chmod(name, entry.mode, dir_fd=parent_fd)

    def _link(self, entry: Entry, parent_fd: int, name: str) -> None:
        target = self.path_of(entry.link)
        target_parent, _, target_name = target.rpartition("/")
        try:
            source_fd = self.directories.open(target_parent)
            os.link(target_name, name, src_dir_fd=source_fd, dst_dir_fd=parent_fd, follow_symlinks=False)
        except FileNotFoundError as error:
            if not copy_up(self.directories, target):
                raise InvalidArchive(
                    f"archive member {entry.name} is a hard link to {entry.link}, which does not exist"
                ) from error
            source_fd = self.directories.open(target_parent)
            os.link(target_name, name, src_dir_fd=source_fd, dst_dir_fd=parent_fd, follow_symlinks=False)

    def _make_device(self, entry: Entry, parent_fd: int, name: str) -> None:
        mode = _DEVICES[entry.kind] | 0o600
        os.mknod(name, mode, os.makedev(entry.major, entry.minor), dir_fd=parent_fd)
        self._chown_at(entry, parent_fd, name)
        fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent_fd)
        try:
            # There is no chmod for a descriptor like this one, but there is one for its magic link.
            os.chmod(f"/proc/self/fd/{fd}", entry.mode)
        finally:
            os.close(fd)
        times = (bounded_time(entry.mtime_ns),) * 2
        os.utime(name, ns=times, dir_fd=parent_fd, follow_symlinks=False)

    def _make_directory(self, entry: Entry, parent_fd: int, path: str, name: str) -> None:
        hides = False
        try:
            os.mkdir(name, 0o700, dir_fd=parent_fd)
        except FileExistsError:
            if not stat.S_ISDIR(os.stat(name, dir_fd=parent_fd, follow_symlinks=False).st_mode):
                self.clear(parent_fd, path, name)
                os.mkdir(name, 0o700, dir_fd=parent_fd)
                hides = self._is_layered
        fd = os.open(name, _DIRECTORY, dir_fd=parent_fd)
        try:
            if hides:
                set_opaque(fd)
            self._finish_descriptor(entry, fd)
        finally:
            os.close(fd)
        self.directories.remember_time(path, bounded_time(entry.mtime_ns))

    def _finish_root(self, entry: Entry, path: str) -> None:
        """Only a layer says anything about the root itself; an archive's ``./`` is whoever made it."""
        if path or entry.kind is not Kind.DIRECTORY:
            return
        fd = os.open(".", _DIRECTORY, dir_fd=self.directories.root)
        try:
            self._finish_descriptor(entry, fd)
        finally:
            os.close(fd)
        self.directories.remember_time(path, bounded_time(entry.mtime_ns))

    def _finish_descriptor(self, entry: Entry, fd: int) -> None:
        """Owner first: a change of owner clears set-user-ID bits and capabilities. Times last."""
        os.fchown(fd, *(self._owner or (entry.uid, entry.gid)))
        os.fchmod(fd, entry.mode)
        for name, value in entry.xattrs.items():
            _set_attribute(fd, name, value)
        os.utime(fd, ns=(bounded_time(entry.mtime_ns),) * 2)

    def _chown_at(self, entry: Entry, parent_fd: int, name: str) -> None:
        uid, gid = self._owner or (entry.uid, entry.gid)
        os.chown(name, uid, gid, dir_fd=parent_fd, follow_symlinks=False)

    def _refuse_other_kind(self, entry: Entry, path: str) -> None:
        """Docker's cp never lets a directory take the place of a file, nor a file that of a directory."""
        status = self.directories.status(path)
        if status is None or is_whiteout(status):
            return
        is_directory = stat.S_ISDIR(status.st_mode)
        if is_directory and entry.kind is not Kind.DIRECTORY:
            raise ArchiveRefused(
                f'cannot overwrite directory "/{path}" with non-directory "{entry.name.rstrip("/")}"'
            )
        if not is_directory and entry.kind is Kind.DIRECTORY:
            raise ArchiveRefused(
                f'cannot overwrite non-directory "/{path}" with directory "{entry.name.rstrip("/")}"'
            )

    def _count(self, entry: Entry) -> None:
        self.entries += 1
        self.size_bytes += entry.size
        limits = self._limits
        if limits.max_entries is not None and self.entries > limits.max_entries:
            raise ArchiveRefused(f"archive has more than {limits.max_entries} members")
        if limits.max_bytes is not None and self.size_bytes > limits.max_bytes:
            raise ArchiveRefused(f"archive unpacks to more than {limits.max_bytes} bytes")


def clean_name(name: str) -> str:
    """The name without ``.``, ``..`` and slashes at its ends; refused if it leads out of the root."""
    names: list[str] = []
    absolute = name.startswith("/")
    for part in name.split("/"):
        if part == "..":
            if not names and not absolute:
                raise ArchiveRefused(f'invalid entry name "{name}": it is outside of the root')
            del names[-1:]
        elif part not in ("", "."):
            names.append(part)
    return "/".join(names)


def bounded_time(time_ns: int) -> int:
    """The time, or 1970 if no disk can hold it, as Docker has it."""
    return time_ns if 0 <= time_ns <= _MAX_TIME_NS else 0


def failure(entry: Entry, error: OSError) -> SampanError:
    """Say which member could not be unpacked, and whose fault it is."""
    number = error.errno or 0
    reason = f"archive member {entry.name}: {os.strerror(number).lower()}"
    if number in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(entry.name)
    if number in _ARCHIVES_FAULT:
        return InvalidArchive(reason)
    if number in (errno.EPERM, errno.EACCES):
        return PermissionDenied(reason)
    return Internal(reason)


def _write_all(fd: int, data: bytes) -> None:
    written = os.write(fd, data)
    while written < len(data):
        written += os.write(fd, memoryview(data)[written:])


def _write_sparse(fd: int, entry: Entry, reader: TarReader) -> None:
    for offset, length in entry.segments or ():
        os.lseek(fd, offset, os.SEEK_SET)
        while length:
            data = reader.read(min(length, 1 << 20))
            _write_all(fd, data)
            length -= len(data)
    os.ftruncate(fd, entry.size)


def _set_attribute(fd: int, name: str, value: bytes) -> None:
    if is_overlay_attribute(name):
        return
    try:
        os.setxattr(fd, name, value)
    except OSError as error:
        # As tar and Docker: what this filesystem or this user cannot keep is left out.
        if error.errno not in _NO_SUCH_ATTRIBUTE:
            raise
