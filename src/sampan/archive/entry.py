# SPDX-License-Identifier: Apache-2.0
"""One member of a tar archive, as a value.

Names are text through os.fsdecode, so that every byte sequence survives whatever the locale. Times are
integer nanoseconds; archives that this package writes keep whole seconds only, as the layers of other
builders do.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from sampan.errors import DataCorrupt, InvalidArgument


class InvalidArchive(DataCorrupt):
    """The bytes are not a tar archive, or end in the middle of one; the message names the member."""


class ArchiveRefused(InvalidArgument):
    """A well-formed archive that asks for what is not allowed: a path outside of the root, too many bytes."""


class Kind(StrEnum):
    """What kind of file a member is."""

    FILE = "file"
    LINK = "hard link"
    SYMLINK = "symbolic link"
    CHARACTER = "character device"
    BLOCK = "block device"
    DIRECTORY = "directory"
    FIFO = "fifo"


_KINDS = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFLNK: Kind.SYMLINK,
    stat.S_IFCHR: Kind.CHARACTER,
    stat.S_IFBLK: Kind.BLOCK,
    stat.S_IFDIR: Kind.DIRECTORY,
    stat.S_IFIFO: Kind.FIFO,
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A member: `name` as the archive spells it, `size` of the data, `mode` without the type bits."""

    name: str
    kind: Kind
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    size: int = 0
    mtime_ns: int = 0
    link: str = ""
    major: int = 0
    minor: int = 0
    xattrs: Mapping[str, bytes] = field(default_factory=dict)
    segments: tuple[tuple[int, int], ...] | None = None
    """Of a sparse file: where (offset, length) the stored bytes belong; everything else is zeros."""


def kind_of(mode: int) -> Kind | None:
    """The kind for st_mode; None for a socket, which no archive can hold."""
    return _KINDS.get(stat.S_IFMT(mode))
