# SPDX-License-Identifier: Apache-2.0
"""A blob on its way from an upstream: written down once, read by everyone who wants it while it comes."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING

from sampan.errors import SampanError
from sampan.oci.descriptor import Descriptor

if TYPE_CHECKING:
    from sampan.registry.server.protocol.call import Service
    from sampan.registry.server.storage.upload import Upload

logger = logging.getLogger(__name__)

_BLOCK_BYTES = 1 << 20


class TransitFailed(SampanError):  # noqa: N818 - named after the fact
    """The upstream did not give the blob, or gave another."""


class Transit:
    """One blob; `size` bytes of it have come."""

    def __init__(self, service: Service, repository: str, descriptor: Descriptor) -> None:
        self.repository = repository
        self.descriptor = descriptor
        self.size = 0
        self._service = service
        self._upload: Upload | None = None
        self._moved = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None
        self._failure: BaseException | None = None
        self._is_done = False

    def start(self, work: Coroutine[None, None, None], ended: Callable[[], object]) -> None:
        """Begin; `ended` is called at the end, whatever it is."""
        self._task = asyncio.get_running_loop().create_task(self._run(work, ended))

    async def take(self, parts: AsyncIterator[bytes]) -> None:
        """Write down what comes, from its beginning, and keep it if it is right."""
        loop, threads = asyncio.get_running_loop(), self._service.threads
        store, digest = self._service.store, self.descriptor.digest
        upload = await loop.run_in_executor(threads, store.uploads.start, self.repository, digest.algorithm)
        try:
            self.size, self._upload = 0, upload
            block: list[bytes] = []
            held = 0
            async for part in parts:
                block.append(part)
                held += len(part)
                if held >= _BLOCK_BYTES:
                    await loop.run_in_executor(threads, upload.write, block)
                    block, held = [], 0
                    await self._show(upload.size)
            await loop.run_in_executor(threads, upload.write, block)
        except BaseException:
            upload.discard()
            raise
        await loop.run_in_executor(threads, partial(store.keep, upload, digest))

    async def wait(self) -> None:
        """Until it is here; raises TransitFailed if it will not be."""
        async with self._moved:
            await self._moved.wait_for(lambda: self._is_done)
        self._require_success()

    async def iter_parts(self) -> AsyncIterator[bytes]:
        """The bytes, as far as they have come; the last of them only when all were right."""
        offset = 0
        while offset < self.descriptor.size:
            await self._wait_beyond(offset)
            if self._is_done:
                break
            data = await self._read(self._coming_path(), offset, self._shown - offset)
            offset += len(data)
            yield data
        self._require_success()
        path = self._service.store.repository(self.repository).blob(self.descriptor.digest)
        while offset < self.descriptor.size:
            data = await self._read(path, offset, self.descriptor.size - offset)
            if not data:
                raise TransitFailed(f"blob {self.descriptor.digest} was removed")
            offset += len(data)
            yield data

    @property
    def _shown(self) -> int:
        """What may be given out before all is checked: all but the last byte at most."""
        return min(self.size, self.descriptor.size - 1)

    def _coming_path(self) -> str:
        assert self._upload is not None, "nothing is shown before it is written"
        return self._upload.path

    async def _read(self, path: str, offset: int, count: int) -> bytes:
        """Nothing, if the file has just been given up or has got its final name: the next look tells."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._service.threads, _read_part, path, offset, min(count, _BLOCK_BYTES)
        )

    async def _wait_beyond(self, offset: int) -> None:
        async with self._moved:
            await self._moved.wait_for(lambda: self._is_done or self._shown > offset)

    async def _show(self, size: int) -> None:
        async with self._moved:
            self.size = size
            self._moved.notify_all()

    async def _run(self, work: Coroutine[None, None, None], ended: Callable[[], object]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - whoever waits is told
            self._failure = error
            logger.warning("%s: blob %s: %s", self.repository, self.descriptor.digest, error)
        finally:
            async with self._moved:
                self._is_done = True
                ended()
                self._moved.notify_all()

    def _require_success(self) -> None:
        if self._failure is not None:
            raise TransitFailed(f"blob {self.descriptor.digest}: {self._failure}") from self._failure


def _read_part(path: str, offset: int, count: int) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:
            return os.pread(file.fileno(), count, offset)
    except FileNotFoundError:
        return b""
