# SPDX-License-Identifier: Apache-2.0
"""Messages over a socket in asyncio: requests with replies, and events. (Engine side.)

asyncio has no transport for packets with descriptors, so the socket itself is watched.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sampan.errors import Unavailable
from sampan.shim.protocol import receive_message, send_message

if TYPE_CHECKING:
    from sampan.shim.protocol import Message


class Link:
    """One end of a connection; `on_event` gets what is not a reply, `on_end` comes once, last."""

    def __init__(
        self, sock: socket.socket, *, on_event: Callable[[Message], None], on_end: Callable[[], None]
    ) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._on_event = on_event
        self._on_end = on_end
        self._numbers = itertools.count(1)
        self._replies: dict[int, asyncio.Future[Message]] = {}
        self._sending = asyncio.Lock()
        asyncio.get_running_loop().add_reader(sock, self._receive)

    async def request(self, op: str, fds: Sequence[int] = (), **arguments: object) -> Message:
        """Ask for something and return the reply; `fds` stay the caller's."""
        number = next(self._numbers)
        reply: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._replies[number] = reply
        try:
            await self.send({"op": op, "id": number, **arguments}, fds)
            return await reply
        finally:
            self._replies.pop(number, None)

    async def send(self, message: Message, fds: Sequence[int] = ()) -> None:
        """Send a message that has no reply."""
        async with self._sending:
            await send_when_possible(self._sock, message, fds)

    def close(self) -> None:
        """Hang up without telling `on_end`."""
        self._on_end = _do_nothing
        self._end()

    def receive_pending(self) -> None:
        """Take at once what the other end has said already: what it said first is then known first."""
        while self._sock.fileno() >= 0 and self._receive():
            pass

    def _receive(self) -> bool:
        try:
            received = self._receive_message()
        except BlockingIOError:
            return False
        except (OSError, ValueError):
            received = None
        if received is None:
            self._end()
            return False
        message, fds = received
        for fd in fds:  # no reply carries any
            os.close(fd)
        if "reply" not in message:
            self._on_event(message)
        elif (reply := self._replies.get(message["reply"])) and not reply.done():
            reply.set_result(message)
        return True

    def _receive_message(self) -> tuple[Message, list[int]] | None:
        """One that left without reading everything we sent shows as a reset, once, before its last words."""
        try:
            return receive_message(self._sock)
        except ConnectionResetError:
            return receive_message(self._sock)

    def _end(self) -> None:
        if self._sock.fileno() < 0:
            return
        asyncio.get_running_loop().remove_reader(self._sock)
        self._sock.close()
        for reply in self._replies.values():
            if not reply.done():
                reply.set_exception(Unavailable("the container's shim has gone"))
        self._on_end()


async def send_when_possible(sock: socket.socket, message: Message, fds: Sequence[int] = ()) -> None:
    """Send on a non-blocking socket, waiting for room; raises Unavailable where nobody listens any more.

    One at a time: asyncio tells only the last who asked that there is room.
    """
    while True:
        try:
            send_message(sock, message, fds)
        except BlockingIOError:
            await _wait_for_room(sock)
        except OSError as error:
            raise Unavailable("the other end has gone") from error
        else:
            return


async def _wait_for_room(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    room: asyncio.Future[None] = loop.create_future()
    loop.add_writer(sock, room.set_result, None)
    try:
        await room
    finally:
        loop.remove_writer(sock)


def _do_nothing() -> None:
    """Nobody wants to know."""
