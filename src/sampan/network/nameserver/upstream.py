# SPDX-License-Identifier: Apache-2.0
"""Asking other name servers what ours does not know.

A query goes on as it came and so does the answer: nothing is cached, so nothing can be poisoned. Each has a socket
of its own, connected, on a port that the kernel chooses.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Sequence

from sampan.network.nameserver.message import (
    LARGEST_MESSAGE,
    REFUSED,
    SERVER_FAILURE,
    is_answer_to,
    response_code,
)
from sampan.network.resolv import FALLBACK_NAMESERVERS, RESOLV_CONF, parse_resolv_conf

PORT = 53
SERVERS_ASKED = 3
PATIENCE_S = 3.0

OpenSocket = Callable[[int, int], socket.socket]
"""Makes a non-blocking socket of a family and a kind in the namespace that the query is to leave from."""


class HostServers:
    """The host's name servers, read anew when their file has changed: laptops move."""

    def __init__(self, path: str = RESOLV_CONF) -> None:
        self._path = path
        self._read_at: tuple[int, int] | None = None
        self._servers: Sequence[str] = ()

    def current(self) -> Sequence[str]:
        """Who is to be asked now."""
        try:
            status = os.stat(self._path)
            if self._read_at != (status.st_mtime_ns, status.st_ino):
                self._read_at = (status.st_mtime_ns, status.st_ino)
                with open(self._path, encoding="utf-8", errors="replace") as file:
                    self._servers = parse_resolv_conf(file.read()).nameservers
        except OSError:
            self._servers = ()
        return self._servers or FALLBACK_NAMESERVERS


async def ask(query: bytes, servers: Sequence[str], open_socket: OpenSocket, *, stream: bool) -> bytes | None:
    """Ask one server after the other until one has an answer; None if none of them says anything.

    A server that fails or refuses is passed over, but its answer is better than none.
    """
    answer: bytes | None = None
    exchange = _exchange_stream if stream else _exchange_datagram
    for server in servers[:SERVERS_ASKED]:
        try:
            async with asyncio.timeout(PATIENCE_S):
                answer = await exchange(query, server, open_socket)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            continue
        if response_code(answer) not in (SERVER_FAILURE, REFUSED):
            return answer
    return answer


async def _exchange_datagram(query: bytes, server: str, open_socket: OpenSocket) -> bytes:
    loop = asyncio.get_running_loop()
    family, address = _resolve_numeric(server)
    with open_socket(family, socket.SOCK_DGRAM) as sock:
        sock.connect(address)
        await loop.sock_sendall(sock, query)
        while True:
            answer = await loop.sock_recv(sock, LARGEST_MESSAGE)
            if is_answer_to(answer, query):
                return answer


async def _exchange_stream(query: bytes, server: str, open_socket: OpenSocket) -> bytes:
    loop = asyncio.get_running_loop()
    family, address = _resolve_numeric(server)
    sock = open_socket(family, socket.SOCK_STREAM)
    try:
        await loop.sock_connect(sock, address)
        reader, writer = await asyncio.open_connection(sock=sock)
    except BaseException:
        sock.close()
        raise
    try:
        writer.write(len(query).to_bytes(2, "big") + query)
        answer = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
    finally:
        writer.close()
    if not is_answer_to(answer, query):
        raise ConnectionError(f"{server}: not an answer to the query")
    return answer


def _resolve_numeric(server: str) -> tuple[int, tuple[str, int] | tuple[str, int, int, int]]:
    """The family and socket address of a numeric address, with the scope of an IPv6 one."""
    numeric = socket.AI_NUMERICHOST
    family, *_, address = socket.getaddrinfo(server, PORT, type=socket.SOCK_DGRAM, flags=numeric)[0]
    return family, address  # type: ignore[return-value]
