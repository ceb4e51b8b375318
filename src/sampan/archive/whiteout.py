# SPDX-License-Identifier: Apache-2.0
"""How a layer says that something of the layers below is gone: in a tar, and in an overlayfs upper directory.

Implements: OCI image-spec 1.1, layer.md, "Whiteouts"; Linux, overlayfs.rst, "whiteouts and
opaque directories": trusted.overlay.* attributes and, for those without privileges, user.overlay.*.
"""

from __future__ import annotations

import errno
import os
import stat

PREFIX = ".wh."
OPAQUE = ".wh..wh..opq"
META_PREFIX = ".wh..wh."  # AUFS's own files, in old images; they mean nothing here

_NAMESPACES = ("trusted.overlay.", "user.overlay.")
_NO_ATTRIBUTES = frozenset({errno.EOPNOTSUPP, errno.ENODATA})


def is_whiteout(status: os.stat_result) -> bool:
    """Whether this file of an upper directory is overlayfs's mark for a removed name."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def is_overlay_attribute(name: str) -> bool:
    """Whether an extended attribute steers overlayfs; one from an archive must never reach the disk."""
    return name.startswith(_NAMESPACES)


def is_opaque(directory: int | str) -> bool:
    """Whether a directory of an upper directory hides what the layers below have in it."""
    return any(_get(directory, prefix + "opaque") in (b"y", b"x") for prefix in _NAMESPACES)


def set_opaque(directory: int, *, unprivileged: bool = False) -> None:
    """Let a directory of an upper directory hide what the layers below have in it."""
    os.setxattr(directory, _NAMESPACES[unprivileged] + "opaque", b"y")


def make_whiteout(name: str, *, dir_fd: int) -> None:
    """Make overlayfs's mark for a removed name. Allowed also without privileges."""
    os.mknod(name, stat.S_IFCHR, 0, dir_fd=dir_fd)


def _get(directory: int | str, name: str) -> bytes:
    try:
        return os.getxattr(directory, name)
    except OSError as error:
        if error.errno in _NO_ATTRIBUTES:
            return b""
        raise
