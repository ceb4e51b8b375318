# SPDX-License-Identifier: Apache-2.0
"""Turning an HTTP connection into a raw stream, whose socket is then handed on.

Source: Engine API v1.51, "Attach to a container", and what its clients rely on: with `Connection: Upgrade`
the answer is 101 UPGRADED with the media type of the stream, without it 200 with no length, ended by
closing. The head goes out by itself, before the first byte of the stream. The socket's duplicate belongs to
the caller afterwards; our own copy is closed without a shutdown, so that the stream goes on in whoever
holds the other.
"""

from __future__ import annotations

import os
import socket

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from sampan.api.connection import Connection
from sampan.api.versions import SERVER_HEADERS
from sampan.errors import InvalidArgument

RAW_STREAM = "application/vnd.docker.raw-stream"
MULTIPLEXED_STREAM = "application/vnd.docker.multiplexed-stream"


class Hijacked(web.StreamResponse):
    """The answer of a route whose connection is no longer HTTP: writes nothing and closes our copy."""

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Write nothing: the head went out when the connection was taken."""
        self.force_close()
        if request.transport is not None:
            request.transport.abort()
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing to end: the stream is somebody else's."""


async def stay_http(request: web.Request, response: web.StreamResponse) -> None:
    """The connection was not taken: what came behind the request is the next one."""
    connection = request.transport.get_protocol() if request.transport else None
    if isinstance(connection, Connection) and not connection.give_back():
        response.force_close()


def hijack(request: web.Request, *, media_type: str) -> tuple[int, bytes]:
    """Answer the head and take the connection: a duplicate of its socket, and what was already read of it.

    With TLS the stream cannot leave this process; TCP without it and unix sockets can.
    """
    wants_upgrade = "upgrade" in request.headers.get("Connection", "").lower()
    shown = media_type if wants_upgrade else RAW_STREAM  # Docker says so whatever the stream is
    return _take(request, _head(shown, wants_upgrade=wants_upgrade))


def hijack_for_http2(request: web.Request) -> tuple[int, bytes]:
    """The same for a connection that goes on in HTTP/2."""
    return _take(request, _encode_head(["HTTP/1.1 101 UPGRADED", "Connection: Upgrade", "Upgrade: h2c"]))


def _take(request: web.Request, head: bytes) -> tuple[int, bytes]:
    transport = request.transport
    if transport is None or transport.get_extra_info("sslcontext") is not None:
        raise InvalidArgument("attach over TLS is not supported yet")
    transport.pause_reading()
    connection = transport.get_protocol()
    initial = connection.take_rest() if isinstance(connection, Connection) else b""
    transport.write(head)
    sock: socket.socket = transport.get_extra_info("socket")
    return os.dup(sock.fileno()), initial


def _head(media_type: str, *, wants_upgrade: bool) -> bytes:
    if wants_upgrade:
        lines = [
            "HTTP/1.1 101 UPGRADED",
            f"Content-Type: {media_type}",
            "Connection: Upgrade",
            "Upgrade: tcp",
        ]
    else:
        lines = ["HTTP/1.1 200 OK", f"Content-Type: {media_type}"]
    return _encode_head(lines)


def _encode_head(lines: list[str]) -> bytes:
    lines = lines + [f"{name}: {value}" for name, value in SERVER_HEADERS.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
