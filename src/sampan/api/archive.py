# SPDX-License-Identifier: Apache-2.0
"""Files of containers: `/archive`, which `docker cp` is made of, and `/export`.

Source: Engine API v1.51, ContainerArchiveInfo, ContainerArchive, PutContainerArchive, ContainerExport.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiohttp import web

from sampan.api import query
from sampan.api.answers import encode
from sampan.api.containers import find
from sampan.api.keys import ENGINE
from sampan.api.piping import BodyReader, stream_thread
from sampan.engine.model import Container
from sampan.errors import InvalidArgument, NotFound

routes = web.RouteTableDef()

TAR = "application/x-tar"
PATH_STAT = "X-Docker-Container-Path-Stat"


@routes.head("/containers/{id}/archive")
async def stat_archive(request: web.Request) -> web.Response:
    """ContainerArchiveInfo."""
    container = find(request)
    with _named_as_asked(request, container):
        found = await request.app[ENGINE].copies.stat(container, _path(request))
    return web.Response(headers={PATH_STAT: _encode_stat(found)})


@routes.get("/containers/{id}/archive")
async def get_archive(request: web.Request) -> web.StreamResponse:
    """ContainerArchive."""
    container, path, engine = find(request), _path(request), request.app[ENGINE]
    with _named_as_asked(request, container):
        found = await engine.copies.stat(container, path)
    response = await _open_tar(request, {PATH_STAT: _encode_stat(found)})
    await stream_thread(response, lambda out: engine.copies.pack(container, path, out))
    engine.containers.publish(container, "archive-path")
    await response.write_eof()
    return response


@routes.put("/containers/{id}/archive")
async def put_archive(request: web.Request) -> web.Response:
    """PutContainerArchive."""
    container, path = find(request), _path(request)
    async with BodyReader.open(request) as body:
        with _named_as_asked(request, container):
            await request.app[ENGINE].copies.unpack(
                container,
                path,
                body,
                keep_kinds=query.flag(request.query, "noOverwriteDirNonDir"),
                copy_owner=query.flag(request.query, "copyUIDGID"),
            )
    return web.Response(status=200)


@routes.get("/containers/{id}/export")
async def export(request: web.Request) -> web.StreamResponse:
    """ContainerExport."""
    container, engine = find(request), request.app[ENGINE]
    response = await _open_tar(request, {"Content-Type": "application/octet-stream"})
    await stream_thread(response, lambda out: engine.copies.export(container, out))
    engine.containers.publish(container, "export")
    await response.write_eof()
    return response


@contextmanager
def _named_as_asked(request: web.Request, container: Container) -> Iterator[None]:
    """Docker's words for a path that is not there hold the container as the client called it."""
    try:
        yield
    except NotFound as error:
        error.message = error.message.replace(container.id, request.match_info["id"])
        raise


def _path(request: web.Request) -> str:
    path = request.query.get("path", "")
    if not path:
        raise InvalidArgument("bad parameter: path cannot be empty")
    return path


async def _open_tar(request: web.Request, headers: dict[str, str]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": TAR, **headers})
    if request.version >= (1, 1):
        response.enable_chunked_encoding()
    await response.prepare(request)
    return response


def _encode_stat(found: dict[str, Any]) -> str:
    return b64encode(encode(found)).decode()
