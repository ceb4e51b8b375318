# SPDX-License-Identifier: Apache-2.0
"""Routes that exist in the Engine API and not here: each says so, in Docker's words where it has any.

Source: Engine API v1.51. Swarm routes answer as a machine that is no manager.
"""

from __future__ import annotations

from aiohttp import web

from sampan.errors import Unavailable, Unsupported

routes = web.RouteTableDef()

NO_MANAGER = (
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to '
    "swarm and try again."
)
SWARM = ("nodes", "services", "tasks", "secrets", "configs", "swarm")
NOT_YET: tuple[tuple[str, str], ...] = ()
"""Documented routes that no version of ours serves: none is left."""


async def no_swarm(_: web.Request) -> web.Response:
    """Any Swarm route."""
    raise Unavailable(NO_MANAGER)


async def no_plugins(_: web.Request) -> web.Response:
    """Any plugin route but the list, which is empty."""
    raise Unsupported("plugins are not supported")


@routes.get("/plugins")
async def list_plugins(_: web.Request) -> web.Response:
    """PluginList."""
    return web.json_response([])


for _area in SWARM:
    routes.route("*", f"/{_area}")(no_swarm)
    routes.route("*", f"/{_area}/{{rest:.*}}")(no_swarm)
routes.route("*", "/plugins/{rest:.*}")(no_plugins)
