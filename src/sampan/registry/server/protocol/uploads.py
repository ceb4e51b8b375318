# SPDX-License-Identifier: Apache-2.0
"""``/v2/NAME/blobs/uploads/…``: every way in which a blob is pushed.

Implements: distribution-spec 1.1, "Pushing blobs": in one POST, POST and PUT, in chunks, streamed, mounted from another
repository; the status of an upload and its end. ``Range`` of an empty upload is ``0-0``, as docker-registry has it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from aiohttp import web

from sampan.oci.digest import HEX_LENGTHS, Digest
from sampan.registry.server.errors import Refusal, digest_invalid
from sampan.registry.server.names import is_repository
from sampan.registry.server.protocol.call import Call, answer, read_digest
from sampan.registry.server.protocol.intake import receive
from sampan.registry.server.protocol.ranges import parse_chunk
from sampan.registry.server.storage.repository import Repository
from sampan.registry.server.storage.upload import DEFAULT_ALGORITHM, Upload

Result = TypeVar("Result")


async def start_upload(call: Call) -> web.StreamResponse:
    """POST: begin an upload, or do it all at once, or mount."""
    repository = call.repository("push")
    query = call.request.rel_url.query
    if "mount" in query:
        response = await _mount(call, repository, query["mount"], query.get("from"))
        if response is not None:
            return response
    elif "digest" in query:
        digest = read_digest(query["digest"])
        upload = await call.block(call.store.uploads.start, repository.name, digest.algorithm)
        return await _finish(call, upload, digest)
    algorithm = query.get("digest-algorithm", DEFAULT_ALGORITHM)
    if algorithm not in HEX_LENGTHS:
        raise digest_invalid(algorithm[:64], "unsupported digest algorithm")
    upload = await call.block(_open_upload, call, repository, algorithm)
    return _progress(call, upload, 202)


async def upload_status(call: Call) -> web.StreamResponse:
    """GET: how far it is."""
    name = call.route.argument
    size = call.store.uploads.size(call.repository("push").name, name)
    return answer(204, _upload_headers(call, name, size))


async def append(call: Call) -> web.StreamResponse:
    """PATCH: a chunk, or a stream of unknown length."""
    upload = await _resume(call)
    try:
        block = await receive(call, upload, _require_order(call, upload), await _room(call, upload))
        await _settled(call, upload.write, block)
    finally:
        await _settled(call, upload.suspend)
    return _progress(call, upload, 202)


async def finish_upload(call: Call) -> web.StreamResponse:
    """PUT: the last chunk or nothing, and the digest of all."""
    text = call.request.rel_url.query.get("digest")
    if text is None:
        raise digest_invalid("", "a digest is needed to finish an upload")
    digest = read_digest(text)
    upload = await _resume(call)
    return await _finish(call, upload, digest)


async def cancel_upload(call: Call) -> web.StreamResponse:
    """DELETE: give it up."""
    upload = await _resume(call)
    await call.block(upload.discard)
    return answer(204)


async def _finish(call: Call, upload: Upload, digest: Digest) -> web.StreamResponse:
    upload.expect(digest.algorithm)
    try:
        block = await receive(call, upload, _require_order(call, upload), await _room(call, upload))
    except BaseException:
        await _settled(call, upload.suspend if _is_session(call) else upload.discard)
        raise
    await _settled(call, _keep, call, upload, block, digest)
    headers = {
        "Location": f"/v2/{upload.repository}/blobs/{digest}",
        "Docker-Content-Digest": str(digest),
    }
    return answer(201, headers)


def _keep(call: Call, upload: Upload, block: list[bytes], digest: Digest) -> None:
    try:
        upload.write(block)
    except BaseException:
        upload.discard()
        raise
    call.store.keep(upload, digest)


async def _mount(
    call: Call, repository: Repository, text: str, source: str | None
) -> web.StreamResponse | None:
    """201 if the blob is somewhere where this client may pull it; else an ordinary upload begins."""
    digest = read_digest(text)
    if source is None:
        found = await call.block(_find_source, call, digest)
    else:
        found = source if is_repository(source) and call.principal.may("pull", source) else None
    if found is None:
        return None
    if not await call.block(call.store.mount, repository, digest, call.store.repository(found)):
        return None
    headers = {"Location": f"/v2/{repository.name}/blobs/{digest}", "Docker-Content-Digest": str(digest)}
    return answer(201, headers)


def _find_source(call: Call, digest: Digest) -> str | None:
    """A repository that has the blob and that this client may see: that the blob exists is told to nobody else."""
    store = call.store
    if not store.has_blob(digest):
        return None
    for name in store.repositories():
        if call.principal.may("pull", name) and store.repository(name).blob_size(digest) is not None:
            return name
    return None


def _open_upload(call: Call, repository: Repository, algorithm: str) -> Upload:
    upload = call.store.uploads.start(repository.name, algorithm)
    upload.suspend()
    return upload


async def _resume(call: Call) -> Upload:
    repository = call.repository("push")
    return await call.block(call.store.uploads.resume, repository.name, call.route.argument)


def _require_order(call: Call, upload: Upload) -> int | None:
    """A chunk that says where it belongs must belong at the end; how large it may be."""
    text = call.request.headers.get("Content-Range")
    if text is None:
        return None
    chunk = parse_chunk(text)
    if chunk is None or chunk[0] != upload.size:
        headers = _upload_headers(call, upload.name, upload.size)
        raise Refusal("BLOB_UPLOAD_INVALID", "the chunk is out of order", status=416, headers=headers)
    length = call.request.content_length
    if length is not None and length != chunk[1]:
        raise Refusal("SIZE_INVALID", "Content-Length and Content-Range do not agree")
    return chunk[1]


async def _room(call: Call, upload: Upload) -> int | None:
    """What quotas leave: known before the body, as nobody should fill the disk with what is refused at its end."""
    return await call.block(call.store.room_for, upload) if call.store.room.is_limited else None


def _is_session(call: Call) -> bool:
    """Whether other requests may go on with the upload: not when it is one POST."""
    return call.route.resource == "upload"


def _progress(call: Call, upload: Upload, status: int) -> web.Response:
    return answer(status, _upload_headers(call, upload.name, upload.size))


def _upload_headers(call: Call, name: str, size: int) -> dict[str, str]:
    return {
        "Location": f"/v2/{call.route.name}/blobs/uploads/{name}",
        "Range": f"0-{max(size - 1, 0)}",
        "Docker-Upload-UUID": name,
    }


async def _settled(call: Call, action: Callable[..., Result], *args: object) -> Result:
    """Do something to the end even if the client goes away meanwhile: the upload's lock must not be left held."""
    return await asyncio.shield(asyncio.ensure_future(call.block(action, *args)))
