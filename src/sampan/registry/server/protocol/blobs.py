# SPDX-License-Identifier: Apache-2.0
"""``/v2/NAME/blobs/DIGEST``: GET, HEAD and DELETE.

Implements: distribution-spec 1.1, "Pulling blobs", "Deleting blobs"; RFC 9110 ranges and conditions.
Large blobs go by sendfile from the page cache to the socket; a client that does not take them is cut off.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import BinaryIO

from aiohttp import web

from sampan.oci.digest import Digest
from sampan.registry.server.errors import Refusal, blob_unknown
from sampan.registry.server.protocol.call import (
    VERSION,
    Call,
    answer,
    content_headers,
    is_match,
    not_modified,
)
from sampan.registry.server.protocol.ranges import parse_range
from sampan.registry.server.protocol.sending import send_plainly
from sampan.registry.server.storage.repository import Repository
from sampan.registry.server.transit import TransitFailed

OCTETS = "application/octet-stream"
_IN_MEMORY_BYTES = 64 << 10
_SLICE_BYTES = 1 << 20
_CACHING = "public, max-age=31536000, immutable"


async def get_blob(call: Call) -> web.StreamResponse:
    """The blob, or a part of it."""
    repository = call.repository("pull")
    digest = call.digest()
    if is_match(call.request, digest) and repository.blob_size(digest) is not None:
        return not_modified(digest)
    try:
        file = open(repository.blob(digest), "rb", buffering=0)  # noqa: ASYNC230, SIM115 - no disk; closed below
    except FileNotFoundError:
        return await _pass_on(call, repository, digest)
    with file:
        size = os.fstat(file.fileno()).st_size
        part = _wanted_part(call.request, digest, size)
        headers = _headers(digest)
        if part is None:
            return await send_file(call, file, 0, size, 200, headers)
        start, count = part
        headers["Content-Range"] = f"bytes {start}-{start + count - 1}/{size}"
        return await send_file(call, file, start, count, 206, headers)


async def head_blob(call: Call) -> web.StreamResponse:
    """Whether it is here. Who is told so may rely on it: it stays for the time of grace."""
    repository = call.repository("pull")
    digest = call.digest()
    size: int | None
    try:
        status = os.stat(repository.blob(digest))
    except FileNotFoundError:
        size = await call.service.upstreams.blob_size(call, repository, digest)
        if size is None:
            raise blob_unknown(digest) from None
        return answer(200, {**_headers(digest), "Content-Type": OCTETS, "Content-Length": str(size)})
    size = status.st_size
    if time.time() - status.st_ctime > call.service.limits.grace_s / 2:
        size = await call.block(call.store.renew, repository, digest)
        if size is None:
            raise blob_unknown(digest)
    if is_match(call.request, digest):
        return not_modified(digest)
    return answer(200, {**_headers(digest), "Content-Type": OCTETS, "Content-Length": str(size)})


async def delete_blob(call: Call) -> web.StreamResponse:
    """Remove it, unless an image would break."""
    repository = call.repository("delete")
    await call.block(call.store.remove_blob, repository, call.digest())
    return answer(202)


async def send_file(
    call: Call, file: BinaryIO, start: int, count: int, status: int, headers: dict[str, str]
) -> web.StreamResponse:
    """Part of a file as the answer."""
    if count <= _IN_MEMORY_BYTES:
        return answer(status, headers, os.pread(file.fileno(), count, start), OCTETS)
    fields = {**VERSION, **headers, "Content-Type": OCTETS, "Content-Length": str(count)}
    response = web.StreamResponse(status=status, headers=fields)
    await response.prepare(call.request)
    try:
        transport = call.request.transport
        if transport is None:
            raise ConnectionResetError
        if transport.get_extra_info("sslcontext") is None:
            await send_plainly(transport, file, start, count, call.service)
        else:
            await _send_encrypted(call, response, file, start, count)
        await response.write_eof()
    except OSError:  # the client is gone or too slow, or the disk has failed
        _abort(call)
    return response


async def _send_encrypted(
    call: Call, response: web.StreamResponse, file: BinaryIO, start: int, count: int
) -> None:
    while count:
        data = await call.block(os.pread, file.fileno(), min(_SLICE_BYTES, count), start)
        async with asyncio.timeout(call.service.limits.stall_s):
            await response.write(data)
        start += len(data)
        count -= len(data)


async def _pass_on(call: Call, repository: Repository, digest: Digest) -> web.StreamResponse:
    """A blob that a cache has yet to fetch: given out while it comes, or in part when it is here."""
    transit = await call.service.upstreams.blob(call, repository, digest)
    if "Range" in call.request.headers:
        try:
            await transit.wait()
        except TransitFailed as error:
            raise Refusal("UNAVAILABLE", "the upstream did not give the blob", status=502) from error
        return await get_blob(call)
    fields = {**VERSION, **_headers(digest), "Content-Type": OCTETS}
    response = web.StreamResponse(headers={**fields, "Content-Length": str(transit.descriptor.size)})
    parts = transit.iter_parts()
    try:
        first = await anext(parts, b"")
    except TransitFailed as error:
        raise Refusal("UNAVAILABLE", "the upstream did not give the blob", status=502) from error
    await response.prepare(call.request)
    try:
        await response.write(first)
        async for part in parts:
            async with asyncio.timeout(call.service.limits.stall_s):
                await response.write(part)
        await response.write_eof()
    except (TransitFailed, OSError):
        _abort(call)
    return response


def _abort(call: Call) -> None:
    """End the connection: the rest of an answer cannot be anything but the blob's bytes."""
    if call.request.transport is not None:
        call.request.transport.abort()


def _wanted_part(request: web.BaseRequest, digest: Digest, size: int) -> tuple[int, int] | None:
    text = request.headers.get("Range")
    if text is None:
        return None
    condition = request.headers.get("If-Range")
    if condition is not None and str(digest) not in condition:
        return None
    return parse_range(text, size)


def _headers(digest: Digest) -> dict[str, str]:
    return {**content_headers(digest), "Accept-Ranges": "bytes", "Cache-Control": _CACHING}
