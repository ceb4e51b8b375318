# SPDX-License-Identifier: Apache-2.0
"""Unix sockets: descriptors in messages (SCM_RIGHTS) and who is at the other end (SO_PEERCRED)."""

from __future__ import annotations

import array
import os
import socket
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_FDS = 253
"""The kernel's SCM_MAX_FD: descriptors in one message."""

_TRUNCATED = int(socket.MSG_CTRUNC | socket.MSG_TRUNC)
"""As a plain number: Python's flags run a page of code for every `|`."""

_INT_SIZE = array.array("i").itemsize


def seqpacket_pair() -> tuple[socket.socket, socket.socket]:
    """Return two connected sockets that keep message boundaries, closed on exec."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send_fds(sock: socket.socket, data: bytes, fds: Sequence[int] = ()) -> None:
    """Send one message with descriptors; empty `data` would look like the end."""
    if not fds:
        sock.sendall(data)
        return
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
    sent = sock.sendmsg([data], ancillary)
    if sent < len(data):  # a stream socket took part of it; the descriptors went with the first byte
        sock.sendall(data[sent:])


def recv_fds(sock: socket.socket, size: int, max_fds: int = 16) -> tuple[bytes, list[int]]:
    """Receive one message and its descriptors (closed on exec); (b"", []) is the end."""
    space = socket.CMSG_SPACE(max_fds * _INT_SIZE)
    data, ancillary, flags, _ = sock.recvmsg(size, space, socket.MSG_CMSG_CLOEXEC)
    fds = _descriptors(ancillary)
    if flags & _TRUNCATED:
        for fd in fds:
            os.close(fd)
        raise OSError(90, os.strerror(90))  # EMSGSIZE: more than the protocol allows was sent
    return data, fds


def _descriptors(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    fds = array.array("i")
    for level, kind, payload in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(payload[: len(payload) - len(payload) % _INT_SIZE])
    return list(fds)


def peer_credentials(sock: socket.socket) -> tuple[int, int, int]:
    """Return (pid, uid, gid) of the process that connected."""
    pid, uid, gid = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return pid, uid, gid
