# SPDX-License-Identifier: Apache-2.0
"""Room kept back for a full disk: removing things must be written down, too.

A file holds the room. It is given up when the disk runs full, and taken again when there is plenty.
"""

from __future__ import annotations

import contextlib
import os

RESERVED_BYTES = 1 << 20
LOW_BYTES = 128 << 10
PLENTY_BYTES = 8 << 20


class Reserve:
    """The file that holds the room."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._directory = os.path.dirname(path) or "."
        self._is_held = os.path.exists(path)

    def adjust(self) -> bool:
        """Take or give up the room, as the disk is now; True when it was given up, and is needed."""
        status = os.statvfs(self._directory)
        free_bytes = status.f_bavail * status.f_frsize
        if self._is_held and free_bytes < LOW_BYTES:
            self._release()
            return True
        if not self._is_held and free_bytes > PLENTY_BYTES:
            self._take()
        return False

    def _take(self) -> None:
        with contextlib.suppress(OSError):
            fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(fd, 0, RESERVED_BYTES)
                self._is_held = True
            finally:
                os.close(fd)

    def _release(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        self._is_held = False
