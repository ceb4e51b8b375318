# SPDX-License-Identifier: Apache-2.0
"""Extended attributes of files by canonical name, links not followed."""

from __future__ import annotations

import os
from collections.abc import Sequence


def copy_xattrs(source_fd: int, source: str, target_fd: int, target: str) -> None:
    """All attributes but overlayfs's own; file systems without any have none to copy."""
    for name, value in read_xattrs(source_fd, source):
        os.setxattr(f"/proc/self/fd/{target_fd}/{target}", name, value, follow_symlinks=False)


def read_xattrs(dir_fd: int, name: str) -> Sequence[tuple[str, bytes]]:
    """The attributes of a file by canonical name, less those that mean something only where it lies."""
    path = f"/proc/self/fd/{dir_fd}/{name}"
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError:
        return ()
    wanted = [
        one for one in names if not one.startswith(("trusted.overlay.", "user.overlay.", "security.selinux"))
    ]
    return [(one, os.getxattr(path, one, follow_symlinks=False)) for one in wanted]
