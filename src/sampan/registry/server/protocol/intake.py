# SPDX-License-Identifier: Apache-2.0
"""Bodies of requests: into memory up to a limit, or block by block to a thread that writes and hashes them.

Holds: at most two blocks of a body are in memory, whatever its size; while a thread writes one the next is read. A body
that stalls or trickles is given up, and so is one that ends early.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

from sampan.registry.server.errors import Refusal, manifest_invalid
from sampan.registry.server.protocol.call import Call, Limits
from sampan.registry.server.storage.upload import Upload

BLOCK_BYTES = 1 << 20
RECEIVED = "sampan_registry_received_bytes_total"


class Pace:
    """Watches that a body keeps coming."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._since = time.monotonic()
        self._bytes = 0

    def count(self, size: int) -> None:
        """So much has come; raises Refusal when that is too little for the time it took."""
        self._bytes += size
        elapsed = time.monotonic() - self._since
        if elapsed < self._limits.stall_s:
            return
        if self._bytes < elapsed * self._limits.slowest_bytes_s:
            raise stalled()
        self._since += elapsed
        self._bytes = 0


class Body:
    """The body of one request, part by part."""

    def __init__(self, request: web.BaseRequest, limits: Limits) -> None:
        self._request = request
        self._is_expected = request.headers.get("Expect", "").lower() == "100-continue"
        self._limits = limits
        self._pace = Pace(limits)
        self.failure: Exception | None = None

    async def read_block(self) -> list[bytes]:
        """About a block, in the parts that it came in; nothing at the end.

        A body that breaks off is an error only after what has come of it is given out: a session goes on from there.
        """
        if self._is_expected:  # only now: who is refused need not send it
            await self._continue()
        parts: list[bytes] = []
        size = 0
        while size < BLOCK_BYTES and self.failure is None:
            try:
                part = await self._read_part()
            except (Refusal, ConnectionError) as error:
                self.failure = error
                break
            if not part:
                return parts
            parts.append(part)
            size += len(part)
        if not parts and self.failure is not None:
            raise self.failure
        return parts

    async def _continue(self) -> None:
        self._is_expected = False
        writer = self._request.writer
        await writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        writer.output_size = 0  # it is no part of the answer

    async def _read_part(self) -> bytes:
        try:
            async with asyncio.timeout(self._limits.stall_s):
                part = await self._request.content.readany()
        except TimeoutError:
            raise stalled() from None
        except (aiohttp.ClientPayloadError, web.RequestPayloadError) as error:
            raise Refusal("SIZE_INVALID", "the body ended early") from error
        self._pace.count(len(part))
        return part


async def receive(
    call: Call, upload: Upload, most_bytes: int | None = None, room_bytes: int | None = None
) -> list[bytes]:
    """Write a body to an upload, but for its last block, which is given back to be written with what follows.

    `most_bytes` is what the chunk's range says, `room_bytes` what there is room for.
    """
    body = Body(call.request, call.service.limits)
    block = await body.read_block()
    received = _size(block)
    while received >= BLOCK_BYTES:
        async with _writing(call, upload, block):
            block = []
            following = await body.read_block()
        if not following:
            break
        block = following
        received += _size(block)
        _require_room(received, most_bytes, room_bytes)
    _require_room(received, most_bytes, room_bytes)
    call.service.telemetry.add(RECEIVED, received)
    if body.failure is not None:
        async with _writing(call, upload, block):
            raise body.failure
    return block


async def read_whole(call: Call, limit_bytes: int) -> bytes:
    """A small body."""
    length = call.request.content_length
    if length is not None and length > limit_bytes:
        raise manifest_invalid(f"it is larger than {limit_bytes} bytes", status=413)
    body = Body(call.request, call.service.limits)
    parts: list[bytes] = []
    received = 0
    while block := await body.read_block():
        received += _size(block)
        if received > limit_bytes:
            raise manifest_invalid(f"it is larger than {limit_bytes} bytes", status=413)
        parts += block
    call.service.telemetry.add(RECEIVED, received)
    return b"".join(parts)


def stalled() -> Refusal:
    """The client is too slow."""
    return Refusal("BLOB_UPLOAD_INVALID", "the body does not come", status=408)


def _size(parts: Sequence[bytes]) -> int:
    return sum(len(part) for part in parts)


def _require_room(received: int, most_bytes: int | None, room_bytes: int | None) -> None:
    if room_bytes is not None and received > room_bytes:
        raise Refusal("DENIED", "quota exceeded", detail={"left": room_bytes})
    if most_bytes is not None and received > most_bytes:
        raise Refusal("SIZE_INVALID", "more bytes came than the Content-Range says")


@asynccontextmanager
async def _writing(call: Call, upload: Upload, block: list[bytes]) -> AsyncIterator[None]:
    """Write one block in a thread while the next is read. A thread is waited for, whatever happens meanwhile."""
    writing = asyncio.ensure_future(call.block(upload.write, block))
    try:
        yield
    finally:
        await asyncio.shield(writing)
