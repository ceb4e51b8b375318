# SPDX-License-Identifier: Apache-2.0
"""The files of an image on disk by their names: those of a folder, or the members of a tar.

Holds: a member is looked up in the archive and never on disk; a name in a folder is a digest's or one of ours, so
nothing that a document says is joined to a path.
"""

from __future__ import annotations

import io
import os
import posixpath
import tempfile
from typing import BinaryIO, Protocol, cast

from sampan.archive.compression import detect_compression, open_decompressed
from sampan.archive.digesting import DigestReader
from sampan.archive.entry import ArchiveRefused, Kind
from sampan.archive.extract import clean_name
from sampan.archive.reader import CHUNK_BYTES, TarReader
from sampan.errors import DataCorrupt, InvalidArgument, NotFound

MAX_MEMBERS = 100_000
_MAX_LINKS = 8
_LONGEST_MAGIC = 16


class Files(Protocol):
    """Names and contents."""

    def open(self, name: str) -> BinaryIO:
        """The file from its start, to be closed by the caller; NotFound if there is none."""

    def close(self) -> None:
        """No file will be opened any more."""


def read_file(files: Files, name: str, limit_bytes: int) -> bytes:
    """A small file."""
    with files.open(name) as file:
        data = file.read(limit_bytes + 1)
    if len(data) > limit_bytes:
        raise DataCorrupt(f"{name} is larger than the limit of {limit_bytes} bytes")
    return data


class FolderFiles:
    """Below a folder."""

    def __init__(self, path: str) -> None:
        self.path = path
        if not os.path.isdir(path):
            raise NotFound(f"{path}: no such directory")

    def open(self, name: str) -> BinaryIO:
        """Unbuffered."""
        try:
            return open(f"{self.path}/{name}", "rb", buffering=0)
        except FileNotFoundError:
            raise NotFound(f"{self.path} has no {name}") from None

    def close(self) -> None:
        """Nothing is held."""


class ArchiveFiles:
    """The members of a tar, which is unpacked beside only if it is compressed."""

    def __init__(self, path: str, limit_bytes: int) -> None:
        self.path = path
        self._members: dict[str, tuple[int, int]] = {}
        self._links: dict[str, str] = {}
        try:
            self._file: BinaryIO = open(path, "rb", buffering=0)  # noqa: SIM115 - closed by `close`
        except FileNotFoundError:
            raise NotFound(f"{path}: no such file") from None
        except IsADirectoryError:
            raise InvalidArgument(f"{path} is a directory, not an archive") from None
        try:
            self._unpack(limit_bytes)
            self._scan()
        except BaseException:
            self._file.close()
            raise

    def open(self, name: str) -> BinaryIO:
        """A member, through links."""
        name = clean_name(name)
        for _ in range(_MAX_LINKS):
            if name in self._members:
                return cast("BinaryIO", _Slice(self._file.fileno(), *self._members[name]))
            name = self._links.get(name, name)
        raise NotFound(f"{self.path} has no {name}")

    def has(self, name: str) -> bool:
        """Whether there is such a member."""
        return name in self._members or name in self._links

    def names(self) -> list[str]:
        """All files, in the order of the archive."""
        return list(self._members)

    def size(self, name: str) -> int:
        """A member's length."""
        with self.open(name) as file:
            return file.seek(0, os.SEEK_END)

    def close(self) -> None:
        """The archive is not needed any more."""
        self._file.close()

    def _unpack(self, limit_bytes: int) -> None:
        if detect_compression(os.pread(self._file.fileno(), _LONGEST_MAGIC, 0)) == "none":
            return
        plain = cast("BinaryIO", tempfile.TemporaryFile(dir=_folder_of(self.path)))  # noqa: SIM115
        with self._file as packed:
            reader = DigestReader(open_decompressed(packed), limit_bytes=limit_bytes)
            while data := reader.read(CHUNK_BYTES):
                plain.write(data)
        plain.seek(0)
        self._file = plain

    def _scan(self) -> None:
        stream = _Counting(self._file)
        reader = TarReader(stream)
        for entry in reader:
            if len(self._members) + len(self._links) >= MAX_MEMBERS:
                raise ArchiveRefused(f"{self.path} has more than {MAX_MEMBERS} members")
            name = clean_name(entry.name)
            if entry.kind is Kind.FILE and entry.segments is None:
                self._members[name] = (stream.position, entry.size)
                stream.skip(reader, entry.size)
            elif entry.kind is Kind.SYMLINK:
                self._links[name] = clean_name(posixpath.join(posixpath.dirname(name), entry.link))
            elif entry.kind is Kind.LINK:
                self._links[name] = clean_name(entry.link)


class _Counting:
    """The archive from its start, with the position."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.position = 0
        self._end = os.fstat(file.fileno()).st_size

    def read(self, size: int, /) -> bytes:
        data = os.pread(self._file.fileno(), size, self.position)
        self.position += len(data)
        return data

    def skip(self, reader: TarReader, size: int) -> None:
        """Pass a member's data without reading it, unless the archive ends within it: then the reader says so."""
        if self.position + size <= self._end:
            reader.skip()
            self.position += size


class _Slice(io.RawIOBase):
    """A part of a file, independent of the position of others in it."""

    def __init__(self, fd: int, start: int, size: int) -> None:
        self._fd = os.dup(fd)
        self._start = start
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        count = max(0, min(len(buffer), self._size - self._position))
        data = os.pread(self._fd, count, self._start + self._position) if count else b""
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            os.close(self._fd)
        super().close()


def _folder_of(path: str) -> str | None:
    """Beside the archive if one may write there: it has room for what it unpacks to more likely than /tmp."""
    folder = os.path.dirname(os.path.abspath(path))
    return folder if os.access(folder, os.W_OK) else None
