# SPDX-License-Identifier: Apache-2.0
"""Connections that are open and ask nothing, or take for ever to ask: they are closed.

aiohttp has a time-out for a connection between requests, but none for one whose request's head never ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from aiohttp import web

_LOOKS_PER_LIMIT = 4

Respond = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Connections:
    """The connections of one worker: those that are being answered, and since when the others wait."""

    def __init__(self, respond: Respond, head_s: float) -> None:
        self._respond = respond
        self._head_s = head_s
        self._busy: set[object] = set()
        self._idle_since: dict[object, float] = {}
        self._is_ending = False
        self._all_answered = asyncio.Event()
        self.server = web.Server(
            self._answer,
            access_log=None,
            auto_decompress=False,  # a blob is what its digest says; and nobody sends us a bomb
            keepalive_timeout=head_s,
            read_bufsize=1 << 19,
        )

    async def watch(self) -> None:
        """Close what has been silent for too long, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._head_s / _LOOKS_PER_LIMIT)
            now, known = loop.time(), self._idle_since
            idle = [one for one in self.server.connections if one not in self._busy]
            self._idle_since = {connection: known.get(connection, now) for connection in idle}
            for connection in idle:
                if now - self._idle_since[connection] > self._head_s:
                    connection.force_close()

    async def drain(self, limit_s: float) -> None:
        """Answer what is being asked, take nothing more, and close everything.

        Not aiohttp's own way: that stops reading at once, also the bodies of requests that are being answered.
        """
        self._is_ending = True
        for connection in self.server.connections:
            if connection not in self._busy:
                connection.force_close()
        if self._busy:
            with suppress(TimeoutError):
                async with asyncio.timeout(limit_s):
                    await self._all_answered.wait()
        await self.server.shutdown(1.0)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        self._busy.add(connection)
        try:
            response = await self._respond(request)
            if self._is_ending:
                response.force_close()
            return response
        finally:
            self._busy.discard(connection)
            self._idle_since.pop(connection, None)
            if self._is_ending and not self._busy:
                self._all_answered.set()
