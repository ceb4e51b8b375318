# SPDX-License-Identifier: Apache-2.0
"""Blobs into one repository: mounted if they are next door, else in one piece, else in chunks.

Implements: distribution-spec 1.1, "Pushing blobs": POST then PUT; PATCH with Content-Range and
OCI-Chunk-Min-Length; "Mounting a blob from another repository".
Holds: an upload that breaks is asked how far it came, and goes on from there; one that the registry has lost begins
anew, as often as the registry's patience allows and no more.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import BinaryIO
from urllib.parse import quote, urljoin

from sampan.errors import (
    InvalidArgument,
    NotFound,
    PermissionDenied,
    SampanError,
    Unauthenticated,
    Unavailable,
)
from sampan.oci.descriptor import Descriptor
from sampan.registry.auth import Scopes, repository_scope
from sampan.registry.blobs import has_blob
from sampan.registry.exchange import Exchange
from sampan.registry.failures import RangeRefused

logger = logging.getLogger(__name__)

PIECE_BYTES = 1 << 20
CHUNK_BYTES = 32 << 20
_RANGE = re.compile(r"(?:bytes=)?0-(\d{1,18})")

Sent = Callable[[int], None]
"""Told how many bytes have gone out."""

Part = Callable[[int, int], AsyncIterator[bytes]]
"""Makes the bytes of a blob from one position to before another, as often as they are needed."""


@dataclass(frozen=True, slots=True)
class _Session:
    """An upload under way: where it goes on, and the least that a chunk may have (0: the server does not care)."""

    location: str
    least_bytes: int = 0


async def mount_blob(exchange: Exchange, blob: Descriptor, source: str) -> bool:
    """Take the blob over from another repository of the registry; False: it has to be sent."""
    repository = exchange.endpoint.repository
    path = f"/v2/{repository}/blobs/uploads/?mount={quote(str(blob.digest))}&from={quote(source, safe='')}"
    scopes = _scopes(repository) | {repository_scope(source, "pull")}
    try:
        async with exchange.request("POST", path, scopes=scopes, accept=(201, 202), body=_empty) as response:
            if response.status == 201:
                return True
            location = response.headers.get("Location", "")
    except (NotFound, PermissionDenied, Unauthenticated, InvalidArgument):
        return False
    await _abandon(exchange, location)
    return False


async def upload_blob(exchange: Exchange, blob: Descriptor, part: Part, sent: Sent) -> None:
    """Send a blob: at first in one piece; if that is refused or breaks, in chunks."""
    session = await _begin(exchange)
    if not session.least_bytes:
        try:
            return await _put_whole(exchange, session, blob, part, sent)
        except (RangeRefused, InvalidArgument, Unavailable) as error:
            logger.info("registry %s: upload in one piece failed: %s", exchange.endpoint.host, error)
        session = await _begin(exchange)
    return await _put_chunks(exchange, session, blob, part, sent)


def file_part(open_file: Callable[[], BinaryIO]) -> Part:
    """The bytes of a blob that lies in a file."""
    return lambda start, end: _iter_file(open_file, start, end)


async def _begin(exchange: Exchange) -> _Session:
    repository = exchange.endpoint.repository
    async with exchange.request(
        "POST",
        f"/v2/{repository}/blobs/uploads/",
        scopes=_scopes(repository),
        accept=(201, 202),
        body=_empty,
    ) as response:
        least = response.headers.get("OCI-Chunk-Min-Length", "")
        location = _location(exchange, str(response.url), response.headers.get("Location", ""))
        return _Session(location, int(least[:12]) if least.isdecimal() else 0)


async def _put_whole(exchange: Exchange, session: _Session, blob: Descriptor, part: Part, sent: Sent) -> None:
    async with exchange.request(
        "PUT",
        _with_digest(session.location, blob),
        scopes=_scopes(exchange.endpoint.repository),
        accept=(201, 204),
        headers={"Content-Length": str(blob.size), "Content-Type": "application/octet-stream"},
        body=lambda: _counted(part(0, blob.size), 0, sent),
        repeats=False,
    ):
        return


async def _put_chunks(
    exchange: Exchange, session: _Session, blob: Descriptor, part: Part, sent: Sent
) -> None:
    location, start, failures, losses = session.location, 0, 0, 0
    size = max(CHUNK_BYTES, session.least_bytes)
    while start < blob.size:
        end = min(start + size, blob.size)
        try:
            location = await _patch(exchange, location, part, sent, span=(start, end))
            start, failures = end, 0
        except (RangeRefused, Unavailable, NotFound):
            failures += 1
            if failures + losses >= exchange.patience.attempts:
                raise
            await exchange.pause(failures - 1)
            try:
                location, start = await _progress(exchange, location)
            except NotFound:  # the registry was restarted, or another one of several answers now
                losses += 1
                location, start = (await _begin(exchange)).location, 0
    await _finish(exchange, location, blob)


async def _patch(
    exchange: Exchange,
    location: str,
    part: Part,
    sent: Sent,
    *,
    span: tuple[int, int],
) -> str:
    start, end = span
    headers = {
        "Content-Length": str(end - start),
        "Content-Range": f"{start}-{end - 1}",
        "Content-Type": "application/octet-stream",
    }
    async with exchange.request(
        "PATCH",
        location,
        scopes=_scopes(exchange.endpoint.repository),
        accept=(202, 204),
        headers=headers,
        body=lambda: _counted(part(start, end), start, sent),
        repeats=False,
    ) as response:
        return _location(exchange, location, response.headers.get("Location", location))


async def _progress(exchange: Exchange, location: str) -> tuple[str, int]:
    """Where the upload goes on, and from which byte."""
    scopes = _scopes(exchange.endpoint.repository)
    async with exchange.request("GET", location, scopes=scopes, accept=(204, 200)) as response:
        match = _RANGE.fullmatch(response.headers.get("Range", "").strip())
        received = int(match[1]) + 1 if match else 0
        # ``0-0`` is one byte or, from registries that cannot say "none", none: a single byte is never sent alone.
        return _location(exchange, location, response.headers.get("Location", location)), received * (
            received > 1
        )


async def _finish(exchange: Exchange, location: str, blob: Descriptor) -> None:
    try:
        async with exchange.request(
            "PUT",
            _with_digest(location, blob),
            scopes=_scopes(exchange.endpoint.repository),
            accept=(201, 204),
            headers={"Content-Length": "0"},
            body=_empty,
        ):
            return
    except NotFound:  # it was finished by a request whose answer never came
        if not await has_blob(exchange, blob.digest):
            raise


async def _abandon(exchange: Exchange, location: str) -> None:
    """Cancel an upload that a refused mount began; a registry that does not mind is no failure."""
    if not location:
        return
    base = await exchange.ensure_base()
    scopes = _scopes(exchange.endpoint.repository)
    try:
        async with exchange.request(
            "DELETE", urljoin(base, location), scopes=scopes, accept=(200, 202, 204), repeats=False
        ):
            return
    except SampanError:
        return


async def _counted(parts: AsyncIterator[bytes], position: int, sent: Sent) -> AsyncIterator[bytes]:
    async for data in parts:
        yield data
        position += len(data)
        sent(position)


async def _iter_file(open_file: Callable[[], BinaryIO], start: int, end: int) -> AsyncIterator[bytes]:
    file = open_file()
    try:
        while start < end:
            data = await asyncio.to_thread(os.pread, file.fileno(), min(PIECE_BYTES, end - start), start)
            if not data:
                raise Unavailable("a blob became shorter while it was pushed")
            yield data
            start += len(data)
    finally:
        file.close()


def _location(exchange: Exchange, here: str, location: str) -> str:
    if not location:
        raise Unavailable(f"registry {exchange.endpoint.host} did not say where to upload")
    return urljoin(here, location)


def _with_digest(location: str, blob: Descriptor) -> str:
    return f"{location}{'&' if '?' in location else '?'}digest={quote(str(blob.digest), safe='')}"


def _scopes(repository: str) -> Scopes:
    return frozenset({repository_scope(repository, "pull", "push")})


def _empty() -> bytes:
    return b""
