# SPDX-License-Identifier: Apache-2.0
"""Bodies of any size between the event loop and threads that read or write files, in constant memory.

A pipe of the kernel stands between the two: it is the bound, and its end is the end of the body. A client
that vanishes closes its end, which the thread sees as an end of file or a broken pipe.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
from collections.abc import AsyncIterator, Callable
from typing import BinaryIO, cast

from aiohttp import web

from sampan.engine.threads import start_thread
from sampan.errors import Cancelled

CHUNK = 1 << 18


class BodyReader(io.RawIOBase):
    """A request's body as a file for a thread; a body that breaks off raises instead of looking complete."""

    def __init__(self, fd: int) -> None:
        self._file = os.fdopen(fd, "rb", buffering=0)
        self._broken: str | None = None

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, request: web.Request) -> AsyncIterator[BinaryIO]:
        """Feed the body into a pipe while the block runs."""
        read_fd, write_fd = os.pipe2(os.O_CLOEXEC)
        reader = cls(read_fd)
        feeding = asyncio.ensure_future(reader._feed(request, write_fd))
        body = cast("BinaryIO", io.BufferedReader(reader, CHUNK))
        try:
            yield body
        finally:
            feeding.cancel()
            await asyncio.wait([feeding])
            # Not here: a thread that still reads holds the lock of the buffer until it has seen the end.
            await asyncio.wrap_future(start_thread(body.close, name="close"))

    async def _feed(self, request: web.Request, write_fd: int) -> None:
        loop = asyncio.get_running_loop()
        protocol = await _open_pipe(loop, write_fd)
        try:
            async for chunk in request.content.iter_any():
                await protocol.write(chunk)
        except (ConnectionError, asyncio.CancelledError, web.RequestPayloadError) as error:
            self._broken = f"the client stopped sending: {type(error).__name__}"
            protocol.abort()
        finally:
            protocol.close()

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill `buffer` with what has come; 0 is the end of a whole body."""
        count = self._file.readinto(buffer)
        if not count and self._broken:
            raise Cancelled(self._broken)
        return count or 0

    def close(self) -> None:
        """Let the feeding side see that nobody reads any more."""
        self._file.close()
        super().close()


class _PipeWriter(asyncio.BaseProtocol):
    """Writes into a pipe without blocking the loop."""

    def __init__(self) -> None:
        self._transport: asyncio.WriteTransport | None = None
        self._ready = asyncio.Event()
        self._ready.set()
        self._lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.set_write_buffer_limits(CHUNK)
        self._transport = transport

    def pause_writing(self) -> None:
        self._ready.clear()

    def resume_writing(self) -> None:
        self._ready.set()

    def connection_lost(self, _: Exception | None) -> None:
        self._lost = True
        self._ready.set()

    async def write(self, data: bytes) -> None:
        """Hand `data` to the pipe and wait while it is full."""
        if self._lost or self._transport is None:
            raise ConnectionResetError("the reader is gone")
        self._transport.write(data)
        await self._ready.wait()

    def close(self) -> None:
        """Let the reader have the rest, then the end."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End now: nobody wants the rest."""
        if self._transport is not None:
            self._transport.abort()


async def _open_pipe(loop: asyncio.AbstractEventLoop, write_fd: int) -> _PipeWriter:
    os.set_blocking(write_fd, False)
    _, protocol = await loop.connect_write_pipe(_PipeWriter, os.fdopen(write_fd, "wb", buffering=0))
    return protocol


async def stream_thread(response: web.StreamResponse, produce: Callable[[BinaryIO], None]) -> None:
    """Send what `produce` writes in a thread; a client that vanishes gives the thread a broken pipe."""
    read_fd, write_fd = os.pipe2(os.O_CLOEXEC)
    reader, transport = await _open_reader(read_fd)
    producing = start_thread(lambda: _produce(write_fd, produce), name="stream")
    try:
        while chunk := await reader.read(CHUNK):
            await response.write(chunk)
    finally:
        transport.close()
        with contextlib.suppress(BrokenPipeError):
            await asyncio.shield(asyncio.wrap_future(producing))


async def _open_reader(read_fd: int) -> tuple[asyncio.StreamReader, asyncio.ReadTransport]:
    os.set_blocking(read_fd, False)
    reader = asyncio.StreamReader(limit=CHUNK)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read_fd, "rb", buffering=0)
    )
    return reader, transport


def _produce(write_fd: int, produce: Callable[[BinaryIO], None]) -> None:
    with os.fdopen(write_fd, "wb", CHUNK) as out:
        produce(out)
