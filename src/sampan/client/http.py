# SPDX-License-Identifier: Apache-2.0
"""A small blocking HTTP/1.1 client over a unix socket or plain TCP.

Connections are kept alive: one that is idle is used again, and another is opened while an answer is still
being read (`wait` beside `attach`). An upgrade gives the raw socket away, with whatever came after its head.
Threads may share a client: taking an idle connection and giving it back are each one operation on a list.
Not here: TLS, redirects, proxies, compression; the Engine API's paths (`api`).
"""

from __future__ import annotations

import _socket
from os import getpid

from sampan.client.answer import Answer
from sampan.client.wire import ConnectionLost, Wire, encode_chunk, format_request
from sampan.errors import PermissionDenied, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sampan.client.address import Address

    Body = bytes | Iterable[bytes] | None

_REPEATABLE = frozenset(("GET", "HEAD"))
_MOST_IDLE = 32


class NobodyListens(Unavailable):
    """There is no engine at this address."""

    def __init__(self, address: Address, reason: str) -> None:
        super().__init__(
            f"cannot connect to the engine at {address}: {reason}",
            hint="start one with 'sampan engine start', or look at -H, SAMPAN_HOST and DOCKER_HOST",
        )


class Hijacked:
    """A connection that left HTTP: the raw socket, and the bytes already read from it."""

    __slots__ = ("fields", "initial", "socket", "status")

    def __init__(self, socket: _socket.socket, initial: bytes, status: int, fields: dict[str, str]) -> None:
        self.socket = socket
        self.initial = initial
        self.status = status
        self.fields = fields


def connect(address: Address) -> _socket.socket:
    """A connected socket; NobodyListens or PermissionDenied when there is none to be had."""
    try:
        return _connect_unix(address.path) if address.path else _connect_tcp(address)
    except PermissionError as error:
        raise PermissionDenied(
            f"permission denied while trying to connect to the engine at {address}",
            hint="run as root, or as a member of the group that owns the socket",
        ) from error
    except OSError as error:
        raise NobodyListens(address, (error.strerror or str(error)).lower()) from error


def _connect_unix(path: str) -> _socket.socket:
    sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        sock.connect(path)
    except BaseException:
        sock.close()
        raise
    return sock


def _connect_tcp(address: Address) -> _socket.socket:
    failure: OSError | None = None
    for family, kind, protocol, _, place in _socket.getaddrinfo(
        address.host, address.port, 0, _socket.SOCK_STREAM
    ):
        sock = _socket.socket(family, kind, protocol)
        try:
            sock.connect(place)
            sock.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        except OSError as error:
            sock.close()
            failure = error
        else:
            return sock
    raise failure or OSError(f"{address.host} has no address")


class HttpClient:
    """Requests to one address; `host` is what the Host field says."""

    __slots__ = ("_idle", "_process", "address")

    def __init__(self, address: Address) -> None:
        self.address = address
        self._idle: list[Wire] = []
        self._process = getpid()

    def request(
        self, method: str, target: str, *, fields: Mapping[str, str] | None = None, body: Body = None
    ) -> Answer:
        """Send one request and read the head of its answer; the body is read from the Answer."""
        asked = fields or {}
        idle = self._take_idle()
        if idle is not None:
            try:
                return self._exchange(idle, method, target, asked, body)
            except ConnectionLost:
                # A server may close an idle connection just as it is used again (RFC 9112, 9.3.1).
                if method not in _REPEATABLE:
                    raise
        return self._exchange(Wire(connect(self.address)), method, target, asked, body)

    def hijack(
        self, method: str, target: str, *, fields: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Hijacked:
        """Ask to leave HTTP (`Upgrade: tcp`); errors of the engine are raised as its kinds."""
        wire = Wire(connect(self.address))
        asked = {**(fields or {}), "Connection": "Upgrade", "Upgrade": "tcp"}
        answer = self._exchange(wire, method, target, asked, body, hijack=True)
        if answer.status not in (101, 200):
            answer.raise_for_status()
        return Hijacked(wire.socket, wire.take_buffer(), answer.status, answer.fields)

    def adopt(self, wire: Wire) -> None:
        """Use this connection for the next request."""
        self._idle.append(wire)

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().socket.close()

    def _take_idle(self) -> Wire | None:
        """A connection that the server has not closed meanwhile."""
        if self._process != getpid():
            # After a fork the connections are the parent's, who goes on using them.
            self._process = getpid()
            self.close()
        while True:
            try:
                wire = self._idle.pop()
            except IndexError:
                return None
            if wire.is_quiet():
                return wire
            wire.socket.close()

    def _exchange(
        self,
        wire: Wire,
        method: str,
        target: str,
        fields: Mapping[str, str],
        body: Body,
        *,
        hijack: bool = False,
    ) -> Answer:
        try:
            return self._converse(wire, method, target, fields, body, hijack=hijack)
        except BaseException:
            wire.socket.close()
            raise

    def _converse(
        self,
        wire: Wire,
        method: str,
        target: str,
        fields: Mapping[str, str],
        body: Body,
        *,
        hijack: bool,
    ) -> Answer:
        host = "docker" if self.address.path else f"{self.address.host}:{self.address.port}"
        length = {} if body is None else _body_fields(body)
        head = format_request(method, target, {"Host": host, "User-Agent": "sampan", **length, **fields})
        refusal = _send(wire, head, body)
        try:
            answered = wire.read_head()
        except ConnectionLost:
            if refusal is not None:
                raise refusal from None
            raise

        def finish(keep: bool) -> None:
            if keep and refusal is None and len(self._idle) < _MOST_IDLE and not hijack:
                self._idle.append(wire)
            elif not hijack or answered.status not in (101, 200):
                wire.socket.close()

        return Answer(wire, answered, bodiless=method == "HEAD", finish=finish)


def _body_fields(body: bytes | Iterable[bytes]) -> dict[str, str]:
    if isinstance(body, bytes):
        return {"Content-Length": str(len(body))}
    return {"Transfer-Encoding": "chunked"}


def _send(wire: Wire, head: bytes, body: Body) -> ConnectionLost | None:
    """Send a request; a server that stops reading has perhaps answered already, so that loss is returned."""
    if body is None or isinstance(body, bytes):
        wire.send(head + (body or b""))
        return None
    try:
        wire.send(head)
        for data in body:
            if data:
                wire.send(encode_chunk(data))
        wire.send(encode_chunk(b""))
    except ConnectionLost as error:
        return error
    return None
