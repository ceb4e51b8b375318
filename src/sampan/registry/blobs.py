# SPDX-License-Identifier: Apache-2.0
"""Blobs out of one repository, as streams that go on where they broke off.

Implements: distribution-spec 1.1, "Pulling blobs" with range requests (RFC 9110, section 14).
Holds: never more bytes than the descriptor says. The digest is checked by who writes the bytes down; `read_blob`
checks by itself. A broken connection is resumed as long as each brings something worth the trouble.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import aiohttp

from sampan.errors import NotFound, Unavailable
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest, DigestMismatch
from sampan.registry.auth import repository_scope
from sampan.registry.exchange import NETWORK_FAILURES, Exchange
from sampan.registry.failures import Broken, is_connection_failure, unreachable

_WORTHWHILE_BYTES = 64 << 10
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(?:\d{1,18}|\*)")


async def iter_blob(exchange: Exchange, blob: Descriptor, start: int = 0) -> AsyncIterator[bytes]:
    """The blob's bytes from one on, exactly as many as its descriptor says."""
    received = mark = start
    fruitless = 0
    while received < blob.size:
        failure: BaseException | None = None
        try:
            async for data in _iter_from(exchange, blob, received):
                received += len(data)
                if received > blob.size:
                    raise Broken(f"blob {blob.digest} is longer than its descriptor says: {blob.size} bytes")
                yield data
        except NETWORK_FAILURES as error:
            if not is_connection_failure(error):
                raise unreachable(error, "GET", _path(exchange, blob.digest)) from error
            failure = error
        if received == blob.size:
            return
        is_fruitful = received - mark >= _WORTHWHILE_BYTES
        mark, fruitless = received, 0 if is_fruitful else fruitless + 1
        if fruitless >= exchange.patience.attempts:
            text = f"blob {blob.digest}: the registry sent {received} of {blob.size} bytes, and no more"
            raise Unavailable(text) from failure
        if not is_fruitful:
            await exchange.pause(fruitless - 1)


async def read_blob(exchange: Exchange, blob: Descriptor, limit_bytes: int) -> bytes:
    """A small blob, checked."""
    if blob.size > limit_bytes:
        raise Unavailable(f"blob {blob.digest} has {blob.size} bytes, more than the limit of {limit_bytes}")
    data = b"".join([part async for part in iter_blob(exchange, blob)])
    actual = Digest.of(data, blob.digest.algorithm)
    if actual != blob.digest:
        raise DigestMismatch(blob.digest, actual)
    return data


async def has_blob(exchange: Exchange, digest: Digest) -> bool:
    """Whether the repository has it already."""
    repository = exchange.endpoint.repository
    scopes = frozenset({repository_scope(repository, "pull", "push")})
    try:
        async with exchange.request("HEAD", _path(exchange, digest), scopes=scopes):
            return True
    except NotFound:
        return False


async def _iter_from(exchange: Exchange, blob: Descriptor, start: int) -> AsyncIterator[bytes]:
    """From one byte on; a registry that does not know ranges sends everything, and we skip."""
    scopes = frozenset({repository_scope(exchange.endpoint.repository, "pull")})
    headers = {"Range": f"bytes={start}-"} if start else {}
    async with exchange.request(
        "GET", _path(exchange, blob.digest), scopes=scopes, accept=(200, 206), headers=headers
    ) as response:
        skip = start if response.status == 200 else 0
        if response.status == 206:
            _require_start(response, start)
        async for data in response.content.iter_any():
            if skip:
                dropped = min(skip, len(data))
                skip -= dropped
                data = data[dropped:]
            if data:
                yield data


def _require_start(response: aiohttp.ClientResponse, start: int) -> None:
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    if match is None or int(match[1]) != start:
        raise Broken(f"{response.url.path}: asked for bytes from {start}, got another part")


def _path(exchange: Exchange, digest: Digest) -> str:
    return f"/v2/{exchange.endpoint.repository}/blobs/{digest}"
