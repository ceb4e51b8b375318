# SPDX-License-Identifier: Apache-2.0
"""User namespaces as values: a pair of maps that the kernel holds (user_namespaces(7)).

An id-mapped mount takes its maps from such a namespace (mount_setattr(2), MOUNT_ATTR_IDMAP). A map has lines
`first-on-disk first-seen how-many`.
"""

from __future__ import annotations

import os

from sampan.linux.namespace import CLONE_NEWUSER, clone


def open_user_namespace(uid_map: str, gid_map: str) -> int:
    """Return a descriptor of a new user namespace with these maps; no process lives in it."""
    read, write = os.pipe2(os.O_CLOEXEC)
    try:
        pid, pidfd = clone(CLONE_NEWUSER)
        if pid == 0:
            _wait_for_end(read, write)
        os.close(pidfd)
        try:
            _write(f"/proc/{pid}/uid_map", uid_map)
            _write(f"/proc/{pid}/gid_map", gid_map)
            return os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            os.close(write)
            write = -1
            os.waitpid(pid, 0)
    finally:
        os.close(read)
        if write >= 0:
            os.close(write)


def _wait_for_end(read: int, write: int) -> None:
    """The child: it only has to be there while its maps are written."""
    try:
        os.close(write)
        os.read(read, 1)
    finally:
        os._exit(0)


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None
    finally:
        os.close(fd)
