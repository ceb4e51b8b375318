# SPDX-License-Identifier: Apache-2.0
"""Going down and up in a directory tree that a container has written, with few descriptors however deep it is.

Holds: no symbolic link is followed; on the way back up each directory is the one that was gone down through, also
while somebody moves directories about in the tree.
"""

from __future__ import annotations

import errno
import os

MOST_OPEN = 64
"""Directories kept open at once; those above are opened anew on the way back."""

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CLOSED = -1


class Descent:
    """A place in a tree; `fd` is the directory there. The root's descriptor stays its owner's."""

    __slots__ = ("_fds", "_identities", "_most_open", "_oldest")

    def __init__(self, root: int, most_open: int = MOST_OPEN) -> None:
        self._most_open = max(most_open, 2)
        self._fds = [root]
        self._identities = [_identity(root)]
        self._oldest = 1  # of the levels below the root the uppermost that is open

    @property
    def fd(self) -> int:
        """The lowest directory, and with it the one above it, is open until the next move."""
        return self._fds[-1]

    def enter(self, name: str) -> int:
        """Go down; return the directory's descriptor."""
        fd = os.open(name, _DIRECTORY, dir_fd=self.fd)
        self._fds.append(fd)
        self._identities.append(_identity(fd))
        if len(self._fds) - self._oldest > self._most_open:
            os.close(self._fds[self._oldest])
            self._fds[self._oldest] = _CLOSED
            self._oldest += 1
        return fd

    def leave(self) -> None:
        """Go up again."""
        fd = self._fds.pop()
        self._identities.pop()
        try:
            if self.fd == _CLOSED:
                self._fds[-1] = _open_parent(fd, self._identities[-1])
                self._oldest = len(self._fds) - 1
        finally:
            os.close(fd)

    def close(self) -> None:
        """Close all that is open below the root."""
        for fd in self._fds[1:]:
            if fd != _CLOSED:
                os.close(fd)
        del self._fds[1:], self._identities[1:]


def _identity(fd: int) -> tuple[int, int]:
    status = os.fstat(fd)
    return status.st_dev, status.st_ino


def _open_parent(fd: int, expected: tuple[int, int]) -> int:
    """Open the directory above; one that is not where we came from may lie anywhere, also outside of the tree."""
    parent = os.open("..", _DIRECTORY, dir_fd=fd)
    if _identity(parent) != expected:
        os.close(parent)
        raise OSError(errno.ESTALE, "a directory was moved while it was read")
    return parent
