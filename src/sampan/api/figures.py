# SPDX-License-Identifier: Apache-2.0
"""What goes on in a container: its processes, what it uses and may use, what it has changed on its disk.

Source: Engine API v1.51, ContainerTop, ContainerStats, ContainerUpdate, ContainerChanges.
"""

from __future__ import annotations

import asyncio
import contextlib

import msgspec
from aiohttp import web

from sampan.api import query
from sampan.api.answers import JsonLines, json_response
from sampan.api.containers import find
from sampan.api.keys import ENGINE
from sampan.engine.stats import iter_stats
from sampan.engine.top import list_processes
from sampan.engine.update import update_container
from sampan.errors import InvalidArgument
from sampan.schema.container import HostConfig

routes = web.RouteTableDef()


@routes.get("/containers/{id}/top")
async def top(request: web.Request) -> web.Response:
    """ContainerTop."""
    container = find(request)
    table = await asyncio.to_thread(list_processes, container, request.query.get("ps_args", ""))
    request.app[ENGINE].containers.publish(container, "top")
    return json_response(table)


@routes.get("/containers/{id}/changes")
async def changes(request: web.Request) -> web.Response:
    """ContainerChanges."""
    container, engine = find(request), request.app[ENGINE]
    found = await asyncio.to_thread(engine.copies.changes, container)
    return json_response([{"Path": path, "Kind": int(kind)} for path, kind in found.items()])


@routes.get("/containers/{id}/stats")
async def stats(request: web.Request) -> web.StreamResponse:
    """ContainerStats: a stream; or one object, which compares two samples a second apart unless `one-shot`."""
    container = find(request)
    stream = query.flag(request.query, "stream", default=True)
    one_shot = query.flag(request.query, "one-shot")
    if stream and one_shot:
        raise InvalidArgument("cannot have stream=true and one-shot=true")
    samples = iter_stats(container, primed=not stream and not one_shot)
    async with contextlib.aclosing(samples):
        if not stream:
            return json_response(await anext(samples))
        lines = await JsonLines.open(request)
        async for sample in samples:
            await lines.write(sample)
    return await lines.close()


@routes.post("/containers/{id}/update")
async def update(request: web.Request) -> web.Response:
    """ContainerUpdate."""
    container = find(request)
    wanted = msgspec.json.decode(await request.read() or b"{}", type=HostConfig)
    warnings = await update_container(request.app[ENGINE].containers, container, wanted)
    return json_response({"Warnings": warnings or None})
