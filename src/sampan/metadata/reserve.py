# SPDX-License-Identifier: Apache-2.0
"""Room kept back for a full disk: removing things must be written down, too.

A file holds the room. A slice of it is given up whenever the disk is full, for others may take what is free before the
database does; all of it is taken again when there is plenty.
"""

from __future__ import annotations

import contextlib
import os

RESERVED_BYTES = 1 << 20
SLICE_BYTES = 128 << 10
LOW_BYTES = 64 << 10
PLENTY_BYTES = 8 << 20


class Reserve:
    """The file that holds the room."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._directory = os.path.dirname(path) or "."
        self._held_bytes = os.path.getsize(path) if os.path.exists(path) else 0

    def adjust(self) -> bool:
        """Take or give up room, as the disk is now; True when some was given up, and is needed."""
        status = os.statvfs(self._directory)
        free_bytes = status.f_bavail * status.f_frsize
        if self._held_bytes and free_bytes < LOW_BYTES:
            self._give_slice()
            return True
        if self._held_bytes < RESERVED_BYTES and free_bytes > PLENTY_BYTES:
            self._take()
        return False

    def _take(self) -> None:
        with contextlib.suppress(OSError):
            fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(fd, 0, RESERVED_BYTES)
                self._held_bytes = RESERVED_BYTES
            finally:
                os.close(fd)

    def _give_slice(self) -> None:
        left = max(0, self._held_bytes - SLICE_BYTES)
        with contextlib.suppress(FileNotFoundError):
            os.truncate(self.path, left)
        self._held_bytes = left
