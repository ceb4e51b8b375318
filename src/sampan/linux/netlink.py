# SPDX-License-Identifier: Apache-2.0
"""Netlink: the codec of its messages and attributes, and a socket that asks and hears the answer.

Implements: netlink(7); include/uapi/linux/netlink.h, with extended acknowledgements (the kernel's own words
on what was wrong).
Holds: several requests go out in one message, so that a whole set-up costs one system call; only the last one
asks for an acknowledgement, because the kernel answers in order and reports a failure unasked.
Not here: what the messages mean (rtnetlink, nftables, conntrack). Multicast groups are not needed.
Loaded by the launcher: nothing but small modules may be imported.
"""

from __future__ import annotations

import os
import socket
import struct

from sampan.linux.syscall import SyscallError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType
    from typing import Self

NLM_F_REQUEST = 0x1
NLM_F_ACK = 0x4
NLM_F_REPLACE = 0x100
NLM_F_EXCL = 0x200
NLM_F_DUMP = 0x300
NLM_F_CREATE = 0x400
NLM_F_APPEND = 0x800

NLMSG_ERROR = 2
NLMSG_DONE = 3

NLA_F_NESTED = 0x8000
NLA_TYPE_MASK = 0x3FFF

_SOL_NETLINK = 270
_NETLINK_CAP_ACK = 10  # an acknowledgement without a copy of the request in it
_NETLINK_EXT_ACK = 11
_NLMSGERR_ATTR_MSG = 1
_NLM_F_ACK_TLVS = 0x200
_SO_SNDBUFFORCE = 32
_DEFAULT_SEND_BYTES = 64 * 1024  # well below the smallest default of net.core.wmem_default in use

_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_ERRNO = struct.Struct("=i")


class NetlinkError(SyscallError):
    """The kernel refused a request: `filename` says which, `reason` why in its own words, if it has any."""

    reason = ""

    def __str__(self) -> str:
        return f"{super().__str__()} ({self.reason})" if self.reason else super().__str__()


class Request:
    """One message to send; `subject` is what it does, in words for a plan or an error."""

    __slots__ = ("flags", "kind", "payload", "subject")

    def __init__(self, kind: int, flags: int, payload: bytes, subject: str) -> None:
        self.kind = kind
        self.flags = flags
        self.payload = payload
        self.subject = subject

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Request) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return f"Request({self.subject!r})"

    def _key(self) -> tuple[int, int, bytes]:
        return self.kind, self.flags, self.payload


class NetlinkSocket:
    """A netlink socket of the network namespace it was opened in, wherever its process goes afterwards.

    Not for two threads at a time: answers are told apart by their sequence number only.
    """

    __slots__ = ("_sequence", "_socket")

    def __init__(self, protocol: int) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_EXT_ACK, 1)
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_CAP_ACK, 1)
        self._sequence = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def exchange(self, requests: Sequence[Request], *, awaited: int = -1) -> list[tuple[int, bytes]]:
        """Send all requests at once; return the (kind, payload) of what the kernel answers.

        `awaited` is the position of the request whose acknowledgement ends the exchange. The first failure
        raises; requests behind it may have been carried out, except within a transaction of nf_tables.
        """
        first = self._sequence + 1
        self._sequence += len(requests)
        acknowledged = first + range(len(requests))[awaited]
        data = b"".join(
            encode_message(request, sequence, acknowledge=sequence == acknowledged)
            for sequence, request in enumerate(requests, first)
        )
        self._send(data)
        return self._answers(requests, first, acknowledged)

    def dump(self, request: Request) -> list[tuple[int, bytes]]:
        """Return the (kind, payload) of every object of the kind asked for."""
        return self.exchange([Request(request.kind, NLM_F_DUMP, request.payload, request.subject)])

    def _send(self, data: bytes) -> None:
        if len(data) > _DEFAULT_SEND_BYTES:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, 2 * len(data))
        self._socket.send(data)

    def _answers(self, requests: Sequence[Request], first: int, acknowledged: int) -> list[tuple[int, bytes]]:
        answers: list[tuple[int, bytes]] = []
        while True:
            for kind, flags, sequence, payload in iter_messages(self._socket.recv(65536)):
                if sequence < first:  # left over from an exchange that failed
                    continue
                if kind in {NLMSG_ERROR, NLMSG_DONE}:
                    _raise_refusal(requests[sequence - first], kind, flags, payload)
                    if sequence == acknowledged:
                        return answers
                else:
                    answers.append((kind, payload))


def encode_message(request: Request, sequence: int, *, acknowledge: bool) -> bytes:
    """Return the message's bytes, padded to the next one's start."""
    flags = request.flags | NLM_F_REQUEST | (NLM_F_ACK if acknowledge else 0)
    length = _HEADER.size + len(request.payload)
    return _HEADER.pack(length, request.kind, flags, sequence, 0) + request.payload + bytes(-length % 4)


def iter_messages(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Yield (kind, flags, sequence, payload) of each message in a datagram."""
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, kind, flags, sequence, _ = _HEADER.unpack_from(data, offset)
        if length < _HEADER.size:
            return
        yield kind, flags, sequence, data[offset + _HEADER.size : offset + length]
        offset += length + -length % 4


def attribute(kind: int, value: bytes) -> bytes:
    """Return one attribute; its length, at most 65535 with the header, is the caller's care."""
    length = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(length, kind) + value + bytes(-length % 4)


def nested(kind: int, *children: bytes) -> bytes:
    """Return an attribute that holds attributes."""
    return attribute(kind | NLA_F_NESTED, b"".join(children))


def text(kind: int, value: str) -> bytes:
    """Return an attribute with a string that ends in a zero byte."""
    return attribute(kind, value.encode() + b"\0")


def u8(kind: int, value: int) -> bytes:
    """Return an attribute with one byte."""
    return attribute(kind, bytes((value,)))


def u32(kind: int, value: int) -> bytes:
    """Return an attribute with a number in the machine's byte order."""
    return attribute(kind, struct.pack("=I", value))


def be32(kind: int, value: int) -> bytes:
    """Return an attribute with a number in the network's byte order, as nf_tables wants them."""
    return attribute(kind, struct.pack(">I", value))


def iter_attributes(data: bytes, offset: int = 0) -> Iterator[tuple[int, bytes]]:
    """Yield (kind, value) of the attributes that begin at `offset`, flags taken off the kind."""
    while offset + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < _ATTRIBUTE.size:
            return
        yield kind & NLA_TYPE_MASK, data[offset + _ATTRIBUTE.size : offset + length]
        offset += length + -length % 4


def decode_attributes(data: bytes, offset: int = 0) -> dict[int, bytes]:
    """Return the attributes that begin at `offset` by kind; of several of a kind the last."""
    return dict(iter_attributes(data, offset))


def decode_text(value: bytes) -> str:
    """Return the string of an attribute."""
    return value.rstrip(b"\0").decode(errors="replace")


def _raise_refusal(request: Request, kind: int, flags: int, payload: bytes) -> None:
    number = -_ERRNO.unpack_from(payload)[0] if len(payload) >= _ERRNO.size else 0
    if number <= 0:
        return
    error = NetlinkError(number, os.strerror(number), request.subject)
    error.call = "netlink"
    if flags & _NLM_F_ACK_TLVS:
        # nlmsgerr is errno and the request's header; a failed dump ends with NLMSG_DONE and errno alone
        start = _ERRNO.size + (_HEADER.size if kind == NLMSG_ERROR else 0)
        error.reason = decode_text(decode_attributes(payload, start).get(_NLMSGERR_ATTR_MSG, b""))
    raise error
