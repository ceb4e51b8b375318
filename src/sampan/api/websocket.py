# SPDX-License-Identifier: Apache-2.0
"""Attaching by a WebSocket: the container's streams as messages, for clients that cannot hijack a connection.

Source: Engine API v1.51, ContainerAttachWebsocket; moby `wsContainersAttach`. What the program writes comes as it
is, never in the frames of other attachments: stdout and stderr are one. Messages are binary since 1.28 and text
before; before 1.42 a client gets all three streams whatever it asks for. The end of the client is the end of what
it types, as for any client that goes; one that has gone is forgotten within a second, whatever its program does.

The shim gets one end of a socket pair as if it were the client's connection; what passes between the other end
and the WebSocket passes here, a chunk at a time: whoever is slow slows the other.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import logging
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

from aiohttp import WSMsgType, web

from sampan.api import query
from sampan.api.containers import find
from sampan.api.keys import ENGINE
from sampan.api.older_requests import is_before
from sampan.engine.engine import Engine
from sampan.engine.model import Attachment, Container

logger = logging.getLogger(__name__)
routes = web.RouteTableDef()

FRAME_HEAD_BYTES = 8
CHUNK = 1 << 16
CLOSE_LIMIT_S = 1.0  # how long a client may take to answer the good-bye
Send = Callable[[bytes], Awaitable[None]]


@routes.get("/containers/{id}/attach/ws")
async def attach_websocket(request: web.Request) -> web.StreamResponse:
    """ContainerAttachWebsocket."""
    container, engine = find(request), request.app[ENGINE]
    engine.require_attachable(container)
    client = web.WebSocketResponse(compress=False, max_msg_size=0, timeout=CLOSE_LIMIT_S)
    await client.prepare(request)
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_unix_connection(sock=ours)
    attaching = asyncio.ensure_future(_attach(request, engine, container, theirs.detach()))
    send = _sender(client, request["version"])
    showing = asyncio.ensure_future(_show(_chunks(reader, framed=not container.config.tty), send))
    typing = asyncio.ensure_future(_type(client, writer))
    talking = engine.background.spawn(_talk(typing, showing, writer), name="websocket")
    try:
        await asyncio.shield(talking)
    finally:  # a client that goes has this route cancelled: what it has sent is still passed on
        asyncio.get_running_loop().call_later(CLOSE_LIMIT_S, talking.cancel)
        attaching.add_done_callback(partial(_withdraw, engine, container))
    await asyncio.wait((attaching,))
    await client.close()
    return client


async def _talk(
    typing: asyncio.Future[None], showing: asyncio.Future[None], writer: asyncio.StreamWriter
) -> None:
    """Until the client or the program ends; what a client has sent before its end reaches the program."""
    try:
        await asyncio.wait((typing, showing), return_when=asyncio.FIRST_COMPLETED)
        writer.close()
    finally:
        typing.cancel()
        showing.cancel()
        if not writer.is_closing():
            writer.transport.abort()


def _withdraw(engine: Engine, container: Container, attaching: asyncio.Future[Attachment | None]) -> None:
    """The client has gone, maybe before its container has started."""
    error = attaching.exception()
    if error is None:
        engine.withdraw(container, attaching.result())
    else:
        logger.warning("attach to %s by websocket failed: %s", container.name, error)


async def _attach(request: web.Request, engine: Engine, container: Container, fd: int) -> Attachment | None:
    """Give the shim's end to the program, after what is in the log; None if there is nothing to attach."""
    everything = is_before(request["version"], "1.42")
    stdin, stdout, stderr = (
        everything or query.flag(request.query, name) for name in ("stdin", "stdout", "stderr")
    )
    try:
        if query.flag(request.query, "logs"):
            with contextlib.suppress(BrokenPipeError):
                await engine.replay_logs(container, fd, stdout=stdout, stderr=stderr)
        if not query.flag(request.query, "stream"):
            return None
        attachment = Attachment(
            os.dup(fd),
            stdin=stdin and container.config.open_stdin,
            stdout=stdout,
            stderr=stderr,
            multiplexed=not container.config.tty,
            detach_keys=request.query.get("detachKeys", ""),
        )
        await engine.attach(container, attachment)
    finally:
        os.close(fd)
    return attachment


async def _type(client: web.WebSocketResponse, writer: asyncio.StreamWriter) -> None:
    """Pass on what the client sends, until it goes."""
    async for message in client:
        if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            writer.write(message.data.encode() if isinstance(message.data, str) else message.data)
            await writer.drain()


async def _show(chunks: AsyncIterator[bytes], send: Send) -> None:
    """Pass on what the program writes, until it ends or the client is let go."""
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        async for chunk in chunks:
            await send(chunk)


async def _chunks(reader: asyncio.StreamReader, *, framed: bool) -> AsyncIterator[bytes]:
    """What the shim writes, without the heads of its frames."""
    while not framed and (chunk := await reader.read(CHUNK)):
        yield chunk
    while framed:
        head = await reader.readexactly(FRAME_HEAD_BYTES)
        yield await reader.readexactly(int.from_bytes(head[4:], "big"))


def _sender(client: web.WebSocketResponse, version: str) -> Send:
    if not is_before(version, "1.28"):
        return client.send_bytes
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    return lambda data: client.send_str(decoder.decode(data))
