# SPDX-License-Identifier: Apache-2.0
"""Downloads of layers: a few at once, and each only once however many pulls want it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from sampan.content.pieces import iter_pieces
from sampan.content.store import ContentStore
from sampan.errors import Cancelled
from sampan.image.arrival import Arrival
from sampan.oci.descriptor import Descriptor
from sampan.registry.repository import Repository

_THREADS = 4

Listener = Callable[[str, int], None]
"""Told a status, and how many bytes have come."""

Key = tuple[str, str, str]


@dataclass(slots=True)
class _Download:
    arrival: Arrival
    task: asyncio.Task[None] | None = None
    listeners: list[Listener] = field(default_factory=list)

    def tell(self, status: str, current: int = 0) -> None:
        for listener in self.listeners:
            listener(status, current)


class Downloads:
    """All downloads of one engine."""

    def __init__(self, content: ContentStore, limit: int) -> None:
        self._content = content
        self._slots = asyncio.Semaphore(limit)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="download")
        self._running: dict[Key, _Download] = {}

    @asynccontextmanager
    async def join(
        self, repository: Repository, blob: Descriptor, listener: Listener
    ) -> AsyncIterator[tuple[Arrival, asyncio.Task[None]]]:
        """The blob on its way, begun now or before by somebody else; ended when the last has left."""
        key = (repository.endpoint.host, repository.endpoint.repository, str(blob.digest))
        download = self._running.get(key)
        if download is None:
            download = self._running[key] = _Download(Arrival(self._content, blob))
            download.task = asyncio.ensure_future(self._run(repository, download))
        assert download.task is not None
        download.listeners.append(listener)
        try:
            yield download.arrival, download.task
        finally:
            download.listeners.remove(listener)
            if not download.listeners:
                self._forget(download)
                await _ended(download.task)
                download.arrival.close()

    async def _run(self, repository: Repository, download: _Download) -> None:
        try:
            async with self._slots:
                await self._fetch(repository, download)
        except asyncio.CancelledError:
            download.arrival.fail(Cancelled("pull cancelled"))
            raise
        except Exception as error:
            download.arrival.fail(error)
            self._forget(download)
            raise

    def _forget(self, download: _Download) -> None:
        """Nobody else joins it; by now another may have its key."""
        for key in [key for key, one in self._running.items() if one is download]:
            del self._running[key]

    async def _fetch(self, repository: Repository, download: _Download) -> None:
        arrival, received = download.arrival, 0
        async for data in iter_pieces(repository.stream(arrival.blob)):
            await self._in_thread(lambda data=data: arrival.feed(data))  # type: ignore[misc]
            received += len(data)
            download.tell("Downloading", received)
        download.tell("Verifying Checksum")
        await self._in_thread(arrival.finish)
        download.tell("Download complete")

    async def _in_thread(self, work: Callable[[], None]) -> None:
        """The thread ends what it has begun, also when the task is cancelled: it uses the blob's file."""
        running = asyncio.get_running_loop().run_in_executor(self._threads, work)
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait([running])
            raise


async def _ended(task: asyncio.Task[None]) -> None:
    """Cancelled, if it still ran; its failure has been told to the readers."""
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.exception()
