# SPDX-License-Identifier: Apache-2.0
"""The engine's side of the name server: finding or starting its process, telling it who is called what.

Holds: whatever happens to the process, the one that runs is told everything: all members are kept here and sent
again on each new connection. Telling never waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sampan.errors import SampanError
from sampan.network.nameserver.contact import serve_names
from sampan.network.nameserver.process import start

if TYPE_CHECKING:
    from sampan.engine.model import Container

logger = logging.getLogger(__name__)

_BACKLOG = 1024
_CALM_S = 0.5  # before another is started in the place of one that ended


class Naming:
    """A connection to the name server; there is none before the first container needs one."""

    def __init__(self, path: str, log_path: str) -> None:
        self.path = path
        self._log_path = log_path
        self._members: dict[str, tuple[Container, dict[str, Any]]] = {}
        self._connecting = asyncio.Lock()
        self._writer: asyncio.StreamWriter | None = None
        self._watch: asyncio.Task[None] | None = None
        self._pid = 0

    def put(
        self, container: Container, places: Sequence[dict[str, Any]], servers: Sequence[str] | None
    ) -> None:
        """Tell who a container is; `servers` are asked for what is not known, None means the host's."""
        message = {"op": "put", "id": container.id, "places": places, "servers": servers}
        self._members[container.id] = (container, message)
        self._send(message)

    def knows(self, container: Container) -> bool:
        """Whether names are answered in the container."""
        return container.id in self._members

    def forget(self, container: Container) -> None:
        """Tell that a container has no names any more."""
        if self._members.pop(container.id, None) is not None:
            self._send({"op": "forget", "id": container.id})

    async def serve(self, container: Container) -> None:
        """Have names answered in a container that runs."""
        await self.ensure()
        assert container.shim is not None
        await asyncio.to_thread(serve_names, self.path, container.id, container.shim.pid)

    async def restore(self) -> None:
        """Find the name server that a former engine started; start one if containers need it."""
        if self._members:
            await self._ensure_or_say()

    async def _ensure_or_say(self) -> None:
        try:
            await self.ensure()
        except OSError as error:
            logger.warning("names are not answered: %s", error)

    async def ensure(self) -> None:
        """Be connected, and have told everything."""
        async with self._connecting:
            if self._writer is not None:
                return
            sock = self._connect()
            reader, self._writer = await asyncio.open_unix_connection(sock=sock)
            self._send({"op": "hello", "keep": list(self._members)})
            for container, message in self._members.values():
                self._send(message)
                await self._serve_again(container)
            self._watch = asyncio.get_running_loop().create_task(self._reconnect_after(reader))

    async def _serve_again(self, container: Container) -> None:
        """One that starts just now has itself served."""
        if container.shim is None:
            return
        try:
            await asyncio.to_thread(serve_names, self.path, container.id, container.shim.pid)
        except SampanError as error:
            logger.warning("%s: names are not answered: %s", container.name, error)

    def _connect(self) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            sock.connect(self.path)
        except (FileNotFoundError, ConnectionRefusedError):
            self._start()
            sock.connect(self.path)
        return sock

    def _start(self) -> None:
        if self._pid:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self._pid, os.WNOHANG)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as listener:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)
            old = os.umask(0o177)
            try:
                listener.bind(self.path)
            finally:
                os.umask(old)
            listener.listen(_BACKLOG)
            self._pid = start(listener, self._log_path)

    async def _reconnect_after(self, reader: asyncio.StreamReader) -> None:
        """When the process ends, have another where containers need it."""
        with contextlib.suppress(OSError):
            await reader.read()
        self._writer = None
        await asyncio.sleep(_CALM_S)
        if self._members:
            logger.warning("the name server ended; starting another")
            await self._ensure_or_say()

    def _send(self, message: dict[str, Any]) -> None:
        if self._writer is not None:
            self._writer.write(json.dumps(message).encode() + b"\n")

    def close(self) -> None:
        """Let go: it goes on while containers need it."""
        if self._watch is not None:
            self._watch.cancel()
        if self._writer is not None:
            self._writer.close()
