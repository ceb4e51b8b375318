# SPDX-License-Identifier: Apache-2.0
"""BuildKit's API of one engine, put together: who holds a connection of either kind calls one of two methods."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

from sampan.build.service import Builder
from sampan.buildkit.builds import Builds
from sampan.buildkit.control import Control
from sampan.buildkit.gateway import Gateway
from sampan.buildkit.rpc import serve
from sampan.buildkit.session import SessionHead, Sessions
from sampan.buildkit.solving import Outside


class BuildKit:
    """All sessions and builds of BuildKit's clients."""

    def __init__(self, builder: Builder, outside: Outside) -> None:
        self.sessions = Sessions()
        self.builds = Builds(builder, outside, self.sessions)
        self._connections: set[asyncio.Task[Any]] = set()
        self._methods = Control(builder, self.builds).methods() | Gateway(self.builds).methods()

    async def run_session(self, head: SessionHead, sock: socket.socket, initial: bytes) -> None:
        """Keep a client's session until it closes the connection."""
        with self._connected():
            await self.sessions.run(head, sock, initial)

    async def serve(self, sock: socket.socket, initial: bytes) -> None:
        """Answer a client's calls until it closes the connection."""
        with self._connected():
            await serve(sock, initial, self._methods)

    async def close(self) -> None:
        """The engine stops: end all builds, wait until nothing of them is left, and hang up."""
        await self.builds.close()
        for task in self._connections:
            task.cancel()
        if self._connections:
            await asyncio.wait(self._connections)

    @contextlib.contextmanager
    def _connected(self) -> Iterator[None]:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            yield
        finally:
            self._connections.discard(task)
