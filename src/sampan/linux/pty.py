# SPDX-License-Identifier: Apache-2.0
"""Pseudoterminals: opened from a given devpts, the slave without any path (TIOCGPTPEER, CVE-2025-52565)."""

from __future__ import annotations

import fcntl
import os
import struct
import termios

from sampan.linux.resolve import RESOLVE_IN_ROOT, openat2

_TIOCGPTPEER = 0x5441
_TIOCSPTLCK = 0x40045431
_DEVPTS_MULTIPLEXER = os.makedev(5, 2)


def open_pty(devpts_fd: int | None = None) -> tuple[int, int]:
    """Return (master, slave) from the devpts mounted at `devpts_fd`, or from the host's; closed on exec."""
    if devpts_fd is None:
        master = os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    else:
        master = openat2(devpts_fd, "ptmx", os.O_RDWR | os.O_NOCTTY, resolve=RESOLVE_IN_ROOT)
    try:
        if os.fstat(master).st_rdev != _DEVPTS_MULTIPLEXER:
            raise OSError(19, "not a pseudoterminal multiplexer")  # ENODEV
        fcntl.ioctl(master, _TIOCSPTLCK, struct.pack("i", 0))
        slave = fcntl.ioctl(master, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        os.close(master)
        raise
    return master, slave


def set_size(fd: int, rows: int, columns: int) -> None:
    """Set the terminal's size; its foreground processes get SIGWINCH."""
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def get_size(fd: int) -> tuple[int, int]:
    """Return (rows, columns)."""
    rows, columns, _, _ = struct.unpack("HHHH", fcntl.ioctl(fd, termios.TIOCGWINSZ, bytes(8)))
    return rows, columns


def make_controlling(slave: int) -> None:
    """Make `slave` the controlling terminal of this session leader."""
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
