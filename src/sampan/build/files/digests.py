# SPDX-License-Identifier: Apache-2.0
"""The digests of files that have been read before, known by their status.

A file is the one that was hashed if device, inode, size, mtime and ctime are the same. As in git's index, a
file that was changed just before it was read is not remembered: another change within the clock's resolution
would go unseen. Lost or damaged, the cache only costs time.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time

import msgspec

from sampan.build.files.contents import hash_content

_RACY_NS = 100_000_000
_MAX_ENTRIES = 500_000

Key = tuple[int, int, int, int, int]


class FileDigests:
    """The cache, in memory and in a file. Any thread may use it."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._known: dict[Key, bytes] | None = None
        self._changed = False

    def known(self, status: os.stat_result) -> bytes | None:
        """The digest of the file with this status, if it was read before."""
        return self._entries().get(status_key(status))

    def read(self, fd: int) -> bytes:
        """The digest of an open file's content; it is read unless it is known."""
        before = os.fstat(fd)
        digest = self.known(before)
        if digest is not None:
            return digest
        started_ns = time.time_ns()
        digest = hash_content(fd, before.st_size)
        if (
            status_key(os.fstat(fd)) == status_key(before)
            and max(before.st_mtime_ns, before.st_ctime_ns) < started_ns - _RACY_NS
        ):
            self._remember(status_key(before), digest)
        return digest

    def save(self) -> None:
        """Write the cache beside its file and put it in place, if anything is new and there is room."""
        with self._lock:
            if not self._changed or self._known is None:
                return
            entries = list(self._known.items())[-_MAX_ENTRIES:]
            self._changed = False
        temporary = f"{self._path}.new"
        try:
            with open(temporary, "wb") as file:
                file.write(msgspec.msgpack.encode(entries))
            os.replace(temporary, self._path)
        except OSError:  # a full disk: contents are read again another time
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)

    def _entries(self) -> dict[Key, bytes]:
        if self._known is None:
            with self._lock:
                if self._known is None:
                    self._known = self._load()
        return self._known

    def _load(self) -> dict[Key, bytes]:
        with contextlib.suppress(OSError, msgspec.MsgspecError), open(self._path, "rb") as file:
            return dict(msgspec.msgpack.decode(file.read(), type=list[tuple[Key, bytes]]))
        return {}

    def _remember(self, key: Key, digest: bytes) -> None:
        entries = self._entries()
        with self._lock:
            entries[key] = digest
            self._changed = True


def status_key(status: os.stat_result) -> Key:
    """What changes with a file's content."""
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
