# SPDX-License-Identifier: Apache-2.0
"""Small files of a context that steer the build: the Dockerfile and its ignore file.

Holds: names and links are resolved inside the folder; what is no regular file is not there (a FIFO would keep us
waiting).
"""

from __future__ import annotations

import os
import stat
from errno import EFBIG, EISDIR

from sampan.linux.resolve import open_in_root

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def read_small_file(folder: str, name: str, limit_bytes: int) -> bytes:
    """The file's content; OSError as of the kernel, also when it is too large or no file.

    An absolute name is that of a file elsewhere, which the user of this machine has named.
    """
    if os.path.isabs(name):
        folder, name = os.path.split(name)
    root = os.open(folder, _DIRECTORY)
    try:
        fd = open_in_root(root, name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    finally:
        os.close(root)
    with open(fd, "rb") as file:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(EISDIR, "is not a regular file", name)
        data = file.read(limit_bytes + 1)
    if len(data) > limit_bytes:
        raise OSError(EFBIG, f"is larger than {limit_bytes} bytes", name)
    return data
