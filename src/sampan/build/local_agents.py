# SPDX-License-Identifier: Apache-2.0
"""SSH agents on this machine, for a build whose client is here, too: a socket of ours before that of the agent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

from sampan.build.services import Workplace

_CHUNK = 32 << 10


class LocalAgents:
    """Agents by name, each with the path where it listens: a build's SshAgents."""

    def __init__(self, paths: Mapping[str, str], workplace: Workplace) -> None:
        self._paths = paths
        self._workplace = workplace

    @asynccontextmanager
    async def open(self, name: str) -> AsyncIterator[str | None]:
        """A socket that leads to the agent; its owner and mode may be changed, which the agent's may not."""
        target = self._paths.get(name)
        if target is None:
            yield None
            return
        tasks: set[asyncio.Task[None]] = set()
        async with asyncio.TaskGroup() as group:

            def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                tasks.add(group.create_task(_relay(target, reader, writer)))

            with self._workplace.secret_folder() as folder:
                path = f"{folder}/agent"
                async with await asyncio.start_unix_server(accept, path):
                    yield path
            for task in tasks:
                task.cancel()


async def _relay(path: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection, until either side ends it."""
    with suppress(OSError):
        agent_reader, agent_writer = await asyncio.open_unix_connection(path)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_copy(reader, agent_writer))
                group.create_task(_copy(agent_reader, writer))
        except* OSError:
            pass  # whoever is left sees the end
        finally:
            agent_writer.close()
    writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()
    writer.write_eof()
