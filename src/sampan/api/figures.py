# SPDX-License-Identifier: Apache-2.0
"""What goes on in a container: its processes, and what it has changed on its disk.

Source: Engine API v1.51, ContainerTop, ContainerChanges.
"""

from __future__ import annotations

import asyncio

from aiohttp import web

from sampan.api.answers import json_response
from sampan.api.containers import find
from sampan.api.keys import ENGINE
from sampan.engine.top import list_processes

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
