# SPDX-License-Identifier: Apache-2.0
"""fsutil.types: how files are told of and sent. Source: fsutil's types/wire.proto and types/stat.proto.

Modes are Go's: the permissions as everywhere, the kind of file in bits of its own.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass

from sampan.buildkit.protobuf import BYTES, INT, PATH, UINT, Message, mapping, nested, scalar

STAT, REQUEST, DATA, FINISH, ERROR = range(5)

GO_DIRECTORY = 1 << 31
GO_SYMLINK = 1 << 27
GO_DEVICE = 1 << 26
GO_FIFO = 1 << 25
GO_SOCKET = 1 << 24
GO_SETUID = 1 << 23
GO_SETGID = 1 << 22
GO_CHARACTER = 1 << 21
GO_STICKY = 1 << 20
GO_IRREGULAR = 1 << 19
GO_TYPE = GO_DIRECTORY | GO_SYMLINK | GO_DEVICE | GO_FIFO | GO_SOCKET | GO_CHARACTER | GO_IRREGULAR

_KINDS = {
    stat.S_IFDIR: GO_DIRECTORY,
    stat.S_IFLNK: GO_SYMLINK,
    stat.S_IFIFO: GO_FIFO,
    stat.S_IFSOCK: GO_SOCKET,
    stat.S_IFBLK: GO_DEVICE,
    stat.S_IFCHR: GO_DEVICE | GO_CHARACTER,
}
_EXTRA = ((GO_SETUID, stat.S_ISUID), (GO_SETGID, stat.S_ISGID), (GO_STICKY, stat.S_ISVTX))


@dataclass(slots=True)
class Stat(Message):
    """One file; `linkname` is a symbolic link's target, or an earlier name of the same file."""

    path: str = scalar(1, PATH)
    mode: int = scalar(2, UINT)
    uid: int = scalar(3, UINT)
    gid: int = scalar(4, UINT)
    size: int = scalar(5, INT)
    mtime_ns: int = scalar(6, INT)
    linkname: str = scalar(7, PATH)
    major: int = scalar(8, INT)
    minor: int = scalar(9, INT)
    xattrs: dict[str, bytes] = mapping(10, BYTES)


@dataclass(slots=True)
class Packet(Message):
    """A file (none after the last), a request for one by its number, its data (none at its end), or an end."""

    type: int = scalar(1, UINT)
    stat: Stat | None = nested(2, Stat)
    id: int = scalar(3, UINT)
    data: bytes = scalar(4, BYTES)


def go_mode(mode: int) -> int:
    """A mode of the kernel as Go writes it."""
    extra = sum(go for go, bit in _EXTRA if mode & bit)
    return _KINDS.get(stat.S_IFMT(mode), 0) | extra | mode & 0o777


def permissions(mode: int) -> int:
    """The permissions in a mode of Go, as the kernel takes them."""
    return mode & 0o777 | sum(bit for go, bit in _EXTRA if mode & go)
