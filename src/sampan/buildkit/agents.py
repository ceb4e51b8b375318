# SPDX-License-Identifier: Apache-2.0
"""SSH agents of a session's client: a socket here, each of whose connections is one to the client's agent.

Implements: BuildKit's sshforward service.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from sampan.build.services import Workplace
from sampan.buildkit.messages.control import BytesMessage
from sampan.buildkit.messages.session import (
    CHECK_AGENT,
    FORWARD_AGENT,
    CheckAgentRequest,
    CheckAgentResponse,
)
from sampan.buildkit.rpc import ClientCall, call_unary, open_call
from sampan.buildkit.session import Session
from sampan.errors import SampanError

_ID = "buildkit.ssh.id"
_CHUNK = 32 << 10


class SessionAgents:
    """The agents of one client: a build's SshAgents."""

    def __init__(self, session: Session, workplace: Workplace) -> None:
        self._session = session
        self._workplace = workplace

    @asynccontextmanager
    async def open(self, name: str) -> AsyncIterator[str | None]:
        """A socket of the agent with this name; None if the client has none."""
        if not await self._has(name):
            yield None
            return
        async with asyncio.TaskGroup() as group:
            with self._workplace.secret_folder() as folder:

                def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                    tasks.add(group.create_task(self._forward(name, reader, writer)))

                tasks: set[asyncio.Task[None]] = set()
                path = f"{folder}/agent"
                async with await asyncio.start_unix_server(accept, path):
                    yield path
                for task in tasks:
                    task.cancel()

    async def _has(self, name: str) -> bool:
        if not self._session.offers(FORWARD_AGENT):
            return False
        try:
            request = CheckAgentRequest(name)
            await call_unary(self._session.connection, CHECK_AGENT, request, CheckAgentResponse)
        except SampanError:
            return False
        return True

    async def _forward(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either side ends it."""
        metadata = [(_ID, name)]
        connection = self._session.connection
        with suppress(SampanError, OSError):
            async with open_call(connection, FORWARD_AGENT, BytesMessage, metadata) as call:
                answering = asyncio.ensure_future(_answer(call, writer))
                try:
                    while data := await reader.read(_CHUNK):
                        await call.send(BytesMessage(data))
                    await call.stream.end()
                    await answering
                finally:
                    answering.cancel()
        writer.close()


async def _answer(call: ClientCall[BytesMessage], writer: asyncio.StreamWriter) -> None:
    while (message := await call.receive()) is not None:
        writer.write(message.data)
        await writer.drain()
    writer.close()
