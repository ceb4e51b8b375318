# SPDX-License-Identifier: Apache-2.0
"""The messages between engine, launcher and shim.

::

    engine            launcher               shim              maker          program
      │                   │── fork ───────────▶│── fork ────────▶│ new network
      │── order, fds ─── (a shared socket) ──────────────────────▶│
      │   (one end of a   │◀────────────────── taken ─────────────│ rootfs, network, user
      │    new socketpair)│                                       │── create ───▶ blocked
      │◀────────────────────────────────── created ───────────────│
      │                                        │◀── descriptors ──│ exit
      │── start ──────────────────────────────▶│── release ──────────────────▶ execve
      │◀───────────────────── reply ───────────│
      │── attach, exec, signal, resize … ──────▶│
      │◀───────────────────── reply ────────────│
      │◀───────────────────── exec-exited ──────│
      │                                         │◀──────────────────────────── exit
      │◀───────────────────── exited ───────────│ exit.json, clean-up
      │◀───────────────────── end of file ──────│

An order with ``start: true`` saves the round trip: the maker starts the program, too, and `created` is followed
by `started` or `failed` unasked.
Descriptors of an order are one end of the control connection, then one stream for each entry of ``attach``.
A later engine connects to ``shim.sock`` and is greeted with `state`, which repeats whatever it missed.

Every message is one packet (SOCK_SEQPACKET), a kind byte and a JSON object; a payload too large for a
packet travels in a memory file instead, as the first descriptor. Requests carry ``op`` and a number ``id``,
replies that ``id`` as ``reply`` and either results or ``error``; events carry ``event``. ``version`` is in
the order and in `state`: a shim outlives the engine that started it, so a newer engine must go on speaking
its version.
"""

from __future__ import annotations

import json
import os

from sampan.linux.socket import MAX_FDS, recv_fds, send_fds

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence
    from typing import Any

    Message = dict[str, Any]
    """A decoded message: JSON's types only."""

VERSION = 1
"""Counts incompatible changes of the messages."""

PACKET_LIMIT = 64 << 10
"""The largest packet; the kernel's own limit is the socket's send buffer (208 kB by default)."""

HELD_AT_ONCE = MAX_FDS - 1
"""How many descriptors a caller may put into one message: one is kept for a payload's memory file."""

_INLINE, _IN_FILE = b"J", b"F"

_encode = json.JSONEncoder(separators=(",", ":")).encode
_decode = json.JSONDecoder().raw_decode
"""Made once: `json.dumps` and `loads` run through pages of code before they come to these."""


def send_message(sock: socket.socket, message: Message, fds: Sequence[int] = ()) -> None:
    """Send a message and copies of `fds`; where that would block, BlockingIOError and nothing is sent."""
    payload = _encode(message).encode()
    if len(payload) < PACKET_LIMIT:
        send_fds(sock, _INLINE + payload, fds)
        return
    file = os.memfd_create("sampan-message", os.MFD_CLOEXEC)
    try:
        _write_all(file, payload)
        send_fds(sock, _IN_FILE, (file, *fds))
    finally:
        os.close(file)


def receive_packet(sock: socket.socket) -> tuple[bytes, list[int]]:
    """Receive what `decode_packet` decodes, and descriptors that become the caller's; empty is the end."""
    return recv_fds(sock, PACKET_LIMIT, MAX_FDS)


def decode_packet(packet: bytes, fds: list[int]) -> Message:
    """Decode a packet; a payload's memory file is read, closed and taken out of `fds`."""
    if packet[:1] == _IN_FILE:
        file = fds.pop(0)
        try:
            payload = _read_all(file)
        finally:
            os.close(file)
    else:
        payload = packet[1:]
    message: Message
    message, end = _decode(text := payload.decode())
    if end < len(text):
        raise ValueError("message is followed by something else")
    return message


def receive_message(sock: socket.socket) -> tuple[Message, list[int]] | None:
    """Receive a message and its descriptors, which then belong to the caller; None is the end."""
    packet, fds = receive_packet(sock)
    return (decode_packet(packet, fds), fds) if packet else None


def _write_all(file: int, payload: bytes) -> None:
    rest = memoryview(payload)
    while rest:
        rest = rest[os.write(file, rest) :]


def _read_all(file: int) -> bytes:
    size = os.fstat(file).st_size
    parts, offset = [], 0
    while offset < size and (part := os.pread(file, size - offset, offset)):
        parts.append(part)
        offset += len(part)
    return b"".join(parts)
