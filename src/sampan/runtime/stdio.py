# SPDX-License-Identifier: Apache-2.0
"""Standard input, output and error of a container's process: descriptors given, or a terminal of its own."""

from __future__ import annotations

import errno
import fcntl
import os
import stat

from sampan.linux import mount, pty
from sampan.linux.resolve import make_file_in_root, open_in_root
from sampan.linux.syscall import SyscallError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_NULL = os.makedev(1, 3)
_FIRST_FREE = 10
_CANNOT_CHOWN = (errno.EPERM, errno.EINVAL, errno.EROFS)


def install_stdio(stdio: tuple[int, int, int]) -> None:
    """Make `stdio` descriptors 0, 1 and 2, whatever numbers they had."""
    copies = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE) for fd in stdio]
    for number, copy in enumerate(copies):
        os.dup2(copy, number, inheritable=True)
        os.close(copy)


def open_console(root_fd: int, process: dict[str, Any]) -> tuple[int, int]:
    """Return (master, slave) from the container's own devpts, sized as asked."""
    devpts = open_in_root(root_fd, "/dev/pts", os.O_PATH | os.O_DIRECTORY)
    try:
        master, slave = pty.open_pty(devpts)
    finally:
        os.close(devpts)
    size = process.get("consoleSize") or {}
    if size.get("height") and size.get("width"):
        pty.set_size(master, size["height"], size["width"])
    return master, slave


def mount_console(root_fd: int, slave: int) -> None:
    """Show the terminal as /dev/console (runtime-linux: console)."""
    target = make_file_in_root(root_fd, "/dev/console")
    try:
        tree = mount.open_tree("", dir_fd=slave)
        try:
            mount.attach(tree, target)
        finally:
            os.close(tree)
    finally:
        os.close(target)


def use_console(slave: int) -> None:
    """Make the terminal this session's and all three standard descriptors."""
    install_stdio((slave, slave, slave))
    os.close(slave)
    pty.make_controlling(0)


def give_stdio(uid: int) -> None:
    """Make the user own their standard descriptors, so that they may open /dev/stdout (as runc does)."""
    for fd in (0, 1, 2):
        try:
            status = os.fstat(fd)
            if status.st_uid == uid or (stat.S_ISCHR(status.st_mode) and status.st_rdev == _NULL):
                continue
            os.fchown(fd, uid, -1)
        except (OSError, SyscallError) as error:
            if error.errno not in _CANNOT_CHOWN:
                raise
