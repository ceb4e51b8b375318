# SPDX-License-Identifier: Apache-2.0
"""Small files of a context that steer the build: the Dockerfile and its ignore file.

Holds: names and links are resolved inside the folder; what is no regular file is not even opened (a FIFO would keep
us waiting, and a device may do things when it is opened).
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
        fd = open_in_root(root, name, os.O_PATH)
    finally:
        os.close(root)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(EISDIR, "is not a regular file", name)
        with open(f"/proc/self/fd/{fd}", "rb") as file:
            data = file.read(limit_bytes + 1)
    finally:
        os.close(fd)
    if len(data) > limit_bytes:
        raise OSError(EFBIG, f"is larger than {limit_bytes} bytes", name)
    return data
