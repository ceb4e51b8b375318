# SPDX-License-Identifier: Apache-2.0
"""Answering the queries of one container, and serving its sockets.

Source: Docker's behaviour: names it knows are answered without authority with a TTL of 600 s; AAAA of a known name
without IPv6 is empty, not unknown; the rest goes to other servers, and where there are none it fails.
"""

from __future__ import annotations

import asyncio
import random
import socket
from typing import Any, cast

from sampan.network.nameserver import message, upstream
from sampan.network.nameserver.listener import NetworkNamespace, open_listeners
from sampan.network.nameserver.message import MalformedQueryError, Query
from sampan.network.nameserver.upstream import HostServers
from sampan.network.nameserver.zones import Zones

MAX_FORWARDED = 256
"""Queries of one container under way to other servers: what is above fails at once."""

MAX_CONNECTIONS = 64
IDLE_S = 10.0


class Resolver:
    """The name server as one container sees it."""

    def __init__(self, member_id: str, namespace: NetworkNamespace, zones: Zones, host: HostServers) -> None:
        self._member_id = member_id
        self._namespace = namespace
        self._zones = zones
        self._host = host
        self._forwarded: set[asyncio.Task[None]] = set()
        self._connections = 0
        self._transport: asyncio.DatagramTransport | None = None
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Answer from now on."""
        with self._namespace.entered():
            udp, tcp = open_listeners()
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), sock=udp)
        self._server = await asyncio.start_server(self._serve_connection, sock=tcp)

    def close(self) -> None:
        """Answer no longer."""
        if self._transport:
            self._transport.close()
        if self._server:
            self._server.close()
        for task in self._forwarded:
            task.cancel()
        self._namespace.close()

    def receive(self, data: bytes, reply: Any) -> None:
        """Answer a datagram by calling `reply`, now or when somebody else has answered."""
        answer = self.answer(data, stream=False)
        if answer is not None:
            reply(answer)
        elif len(self._forwarded) < MAX_FORWARDED:
            task = asyncio.get_running_loop().create_task(self._forward_datagram(data, reply))
            self._forwarded.add(task)
            task.add_done_callback(self._forwarded.discard)
        else:
            reply(message.encode_refusal(data, message.SERVER_FAILURE))

    async def _forward_datagram(self, data: bytes, reply: Any) -> None:
        reply(await self._forward(data, stream=False))

    def answer(self, data: bytes, *, stream: bool) -> bytes | None:
        """The answer, or None if others have to be asked; nothing (b"") for what deserves no answer."""
        try:
            query = message.decode_query(data)
        except MalformedQueryError:
            return message.encode_refusal(data, message.FORMAT_ERROR) or b""
        limit = message.LARGEST_MESSAGE if stream else query.limit
        if not query.is_standard:
            return message.encode_answer(query, code=message.NOT_IMPLEMENTED, limit=limit)
        values = self._known(query)
        return None if values is None else message.encode_answer(query, values, limit=limit)

    def _known(self, query: Query) -> list[bytes] | None:
        member = self._zones.get(self._member_id)
        if member is None or query.family != message.CLASS_IN:
            return None
        if query.kind == message.TYPE_PTR:
            name = self._zones.reverse(member, query.name)
            return [message.encode_name(name)] if name else None
        if query.kind not in (message.TYPE_A, message.TYPE_AAAA):
            return None
        addresses = self._zones.lookup(member, query.name)
        if not addresses:
            return None
        family = socket.AF_INET6 if query.kind == message.TYPE_AAAA else socket.AF_INET
        chosen = [each for each in addresses if (":" in each) == (family == socket.AF_INET6)]
        random.shuffle(chosen)  # an alias of several containers spreads the load
        return [socket.inet_pton(family, address) for address in chosen]

    async def _forward(self, data: bytes, *, stream: bool) -> bytes:
        member = self._zones.get(self._member_id)
        servers = member.servers if member else ()
        if servers is None:
            answer = await upstream.ask(data, self._host.current(), _open_socket, stream=stream)
        else:
            answer = await upstream.ask(data, servers, self._open_inside, stream=stream)
        return answer or message.encode_refusal(data, message.SERVER_FAILURE) or b""

    def _open_inside(self, family: int, kind: int) -> socket.socket:
        """`--dns` means what the container would reach by that address."""
        with self._namespace.entered():
            return _open_socket(family, kind)

    async def _serve_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._connections >= MAX_CONNECTIONS:
            writer.close()
            return
        self._connections += 1
        try:
            while True:
                async with asyncio.timeout(IDLE_S):
                    data = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
                answer = self.answer(data, stream=True)
                if answer is None:
                    answer = await self._forward(data, stream=True)
                writer.write(len(answer).to_bytes(2, "big") + answer)
                async with asyncio.timeout(IDLE_S):
                    await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass
        finally:
            self._connections -= 1
            writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    """The UDP socket."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is ready."""
        # Python 3.11's own datagram transport is no subclass of DatagramTransport
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """A query."""

        def reply(answer: bytes | None) -> None:
            if answer and not self._transport.is_closing():
                self._transport.sendto(answer, addr)

        self._resolver.receive(data, reply)


def _open_socket(family: int, kind: int) -> socket.socket:
    return socket.socket(family, kind | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
