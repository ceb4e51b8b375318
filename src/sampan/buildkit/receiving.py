# SPDX-License-Identifier: Apache-2.0
"""Receive a tree of files from a client, of which only what has changed is sent.

Implements: the receiver of fsutil's protocol. The client tells of every file; of those that are new or differ we
ask for the content, by their number in the telling; an empty packet ends a file's content.
Holds: everything is written below one folder of our own, whatever names the client tells: a file's parent must
have been told as a folder before, no name is told twice, and no symbolic link is followed. What the folder holds
is known from an index beside it, which is gone while files are written, so that a broken transfer is never
taken for a whole one.
Not here: owners and extended attributes, which mean nothing in a context.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

import msgspec

from sampan.buildkit.messages import files
from sampan.buildkit.messages.files import Packet, Stat
from sampan.buildkit.protobuf import decode_message
from sampan.errors import InvalidArgument, SampanError
from sampan.linux.resolve import openat2
from sampan.linux.tree import remove_tree

FOLDER = "files"
_INDEX = "index"
_MOST_OPEN = 64
_NO_LINKS = 0x04 | 0x08  # RESOLVE_NO_SYMLINKS, RESOLVE_BENEATH
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_MADE_FILE = os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


class _Known(msgspec.Struct, frozen=True, array_like=True):
    """What a file was when it was received."""

    mode: int
    size: int
    mtime_ns: int
    linkname: bytes = b""
    device: tuple[int, int] = (0, 0)


@dataclass(slots=True)
class _Incoming:
    path: str
    known: _Known
    file: BinaryIO
    received: int = 0


class TreeReceiver:
    """One transfer into one folder; used by one thread at a time."""

    def __init__(self, place: str) -> None:
        self.received_bytes = 0
        self.is_told = False
        self.has_finished = False
        self._place = place
        self._old = _take_index(place)
        self._new: dict[str, _Known] = {}
        self._count = 0
        self._asked: dict[int, tuple[str, _Known]] = {}
        self._unmade: set[str] = set()
        self._open: dict[int, _Incoming] = {}
        self._root = os.open(f"{place}/{FOLDER}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._parent: tuple[str, int] = ("", self._root)

    @property
    def is_complete(self) -> bool:
        """Whether all files were told and all that was asked for has come."""
        return self.is_told and not self._asked and not self._open

    def feed(self, messages: Sequence[bytes]) -> list[int]:
        """Take packets; the numbers of the files to ask for."""
        wanted: list[int] = []
        for message in messages:
            self.received_bytes += len(message)
            packet = decode_message(Packet, message)
            match packet.type:
                case files.STAT:
                    wanted += self._told(packet.stat)
                case files.DATA:
                    self._data(packet.id, packet.data)
                case files.FINISH:
                    self.has_finished = True
                case files.ERROR:
                    raise SampanError(f"client: {packet.data.decode(errors='replace')}")
                case _:
                    raise InvalidArgument(f"file transfer: unknown packet {packet.type}")
        return wanted

    def finish(self) -> None:
        """Remove what was not told, give folders their times, and write the index."""
        for path in sorted(self._old.keys() - self._new.keys(), reverse=True):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError, OSError):
                self._remove(path)
        for path in sorted(self._new, reverse=True):
            known = self._new[path]
            if known.mode & files.GO_DIRECTORY:
                parent, name = self._open_parent(path)
                os.utime(name, ns=(known.mtime_ns, known.mtime_ns), dir_fd=parent, follow_symlinks=False)
        _write_index(self._place, self._new)

    def close(self) -> None:
        """Let go of all descriptors."""
        for incoming in self._open.values():
            incoming.file.close()
        self._open.clear()
        self._forget_parent()
        os.close(self._root)

    def _told(self, told: Stat | None) -> list[int]:
        if told is None:
            self.is_told = True
            return []
        number, self._count = self._count, self._count + 1
        path = told.path
        _check(path)
        if path in self._new:
            raise InvalidArgument(f"file transfer: {path!r} was told twice")
        self._require_folder(path)
        known = _Known(
            told.mode,
            0 if told.mode & files.GO_DIRECTORY else told.size,
            told.mtime_ns,
            os.fsencode(told.linkname),
            (told.major, told.minor),
        )
        self._new[path] = known
        old = self._old.get(path)
        if old == known:
            return []
        if old is not None and not old.mode & known.mode & files.GO_DIRECTORY:
            self._remove(path)
        return self._make(number, path, known, is_there=old is not None)

    def _make(self, number: int, path: str, known: _Known, *, is_there: bool) -> list[int]:
        """Make what needs no content; a file is asked for, and made when its content comes."""
        parent, name = self._open_parent(path)
        kind = known.mode & files.GO_TYPE
        mode = files.permissions(known.mode)
        if kind == files.GO_DIRECTORY:
            if not (is_there and _is_folder(parent, name)):
                os.mkdir(name, 0o700, dir_fd=parent)
            os.chmod(name, mode, dir_fd=parent)
        elif kind == files.GO_SYMLINK:
            os.symlink(known.linkname, os.fsencode(name), dir_fd=parent)
            os.utime(name, ns=(known.mtime_ns, known.mtime_ns), dir_fd=parent, follow_symlinks=False)
        elif kind == 0 and known.linkname:
            self._link(os.fsdecode(known.linkname), parent, name)
        elif kind == 0:
            self._asked[number] = (path, known)
            self._unmade.add(path)
            return [number]
        else:
            self._make_special(parent, name, known)
        return []

    def _make_special(self, parent: int, name: str, known: _Known) -> None:
        kind = known.mode & files.GO_TYPE
        mode = files.permissions(known.mode)
        if kind == files.GO_FIFO:
            os.mkfifo(name, mode, dir_fd=parent)
        elif kind in (files.GO_DEVICE, files.GO_DEVICE | files.GO_CHARACTER):
            form = stat.S_IFCHR if kind & files.GO_CHARACTER else stat.S_IFBLK
            os.mknod(name, form | mode, os.makedev(*known.device), dir_fd=parent)
        else:
            raise InvalidArgument(f"file transfer: {name!r} is of an unknown kind")

    def _link(self, target: str, parent: int, name: str) -> None:
        """Another name of a file that was told before."""
        _check(target)
        known = self._new.get(target)
        if known is None or known.mode & files.GO_TYPE:
            raise InvalidArgument(f"file transfer: {name!r} is a link to what was not told")
        source, last = self._open_folder(target)
        try:
            if target in self._unmade:
                self._unmade.discard(target)
                os.close(os.open(last, _NEW_FILE, 0o600, dir_fd=source))
            os.link(last, name, src_dir_fd=source, dst_dir_fd=parent, follow_symlinks=False)
        finally:
            os.close(source)

    def _data(self, number: int, data: bytes) -> None:
        incoming = self._open.get(number)
        if incoming is None:
            incoming = self._begin(number)
        if data:
            incoming.file.write(data)
            incoming.received += len(data)
            return
        del self._open[number]
        self._end(incoming)

    def _begin(self, number: int) -> _Incoming:
        asked = self._asked.pop(number, None)
        if asked is None or len(self._open) >= _MOST_OPEN:
            raise InvalidArgument(f"file transfer: data of file {number}, which was not asked for")
        path, known = asked
        parent, name = self._open_parent(path)
        is_new = path in self._unmade
        self._unmade.discard(path)
        fd = os.open(name, _NEW_FILE if is_new else _MADE_FILE, 0o600, dir_fd=parent)
        self._open[number] = incoming = _Incoming(path, known, os.fdopen(fd, "wb", buffering=0))
        return incoming

    def _end(self, incoming: _Incoming) -> None:
        known = incoming.known
        with incoming.file as file:
            os.fchmod(file.fileno(), files.permissions(known.mode))
            os.utime(file.fileno(), ns=(known.mtime_ns, known.mtime_ns))
        if incoming.received != known.size:
            # It changed while it was sent: the next transfer shall not take it for what was told.
            self._new[incoming.path] = msgspec.structs.replace(known, mtime_ns=-1)

    def _require_folder(self, path: str) -> None:
        parent = path.rpartition("/")[0]
        if parent and not (parent in self._new and self._new[parent].mode & files.GO_DIRECTORY):
            raise InvalidArgument(f"file transfer: {path!r} is not in a folder that was told before")

    def _remove(self, path: str) -> None:
        self._forget_parent()
        parent, name = self._open_parent(path)
        if _is_folder(parent, name):
            remove_tree(name, dir_fd=parent)
        else:
            os.unlink(name, dir_fd=parent)

    def _open_parent(self, path: str) -> tuple[int, str]:
        """The folder that holds the path's last name; the last one stays open, files come folder by folder."""
        folder, _, name = path.rpartition("/")
        if folder != self._parent[0]:
            fd = openat2(self._root, folder, _DIRECTORY, resolve=_NO_LINKS) if folder else self._root
            self._forget_parent()
            self._parent = (folder, fd)
        return self._parent[1], name

    def _open_folder(self, path: str) -> tuple[int, str]:
        folder, _, name = path.rpartition("/")
        return openat2(self._root, folder or ".", _DIRECTORY, resolve=_NO_LINKS), name

    def _forget_parent(self) -> None:
        if self._parent[1] != self._root:
            os.close(self._parent[1])
        self._parent = ("", self._root)


def _check(path: str) -> None:
    """A name of fsutil: relative, clean, and without a way up."""
    if not path or "\0" in path or any(part in ("", ".", "..") for part in path.split("/")):
        raise InvalidArgument(f"file transfer: {path!r} is no name for a file")


def _is_folder(parent: int, name: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def _take_index(place: str) -> dict[str, _Known]:
    """What the folder holds; nothing, and an empty folder, if the last transfer did not end well."""
    path = f"{place}/{_INDEX}"
    try:
        with open(path, "rb") as file:
            found = msgspec.msgpack.decode(file.read(), type=dict[bytes, _Known])
        os.unlink(path)
    except (OSError, msgspec.MsgspecError):
        remove_tree(f"{place}/{FOLDER}")
        os.mkdir(f"{place}/{FOLDER}", 0o755)
        return {}
    return {os.fsdecode(name): known for name, known in found.items()}


def _write_index(place: str, known: dict[str, _Known]) -> None:
    path = f"{place}/{_INDEX}"
    with open(f"{path}.new", "wb") as file:
        file.write(msgspec.msgpack.encode({os.fsencode(name): one for name, one in known.items()}))
    os.replace(f"{path}.new", path)
