# SPDX-License-Identifier: Apache-2.0
"""A socket that holds a port and hears nothing: a filter program that drops every packet.

Implements: socket(7), SO_ATTACH_FILTER with a classic BPF program of one instruction.
"""

from __future__ import annotations

import array
import socket
import struct

_SO_ATTACH_FILTER = 26
_BPF_RET_K = 0x06


def drop_everything(sock: socket.socket) -> None:
    """Let no packet reach the socket: a listening one answers no connection, not even with a refusal."""
    program = array.array("B", struct.pack("=HBBI", _BPF_RET_K, 0, 0, 0))
    address, _ = program.buffer_info()
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", 1, address))
