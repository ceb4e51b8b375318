# SPDX-License-Identifier: Apache-2.0
"""Routes below /networks: the three that every engine has.

Source: Engine API v1.51, "Network".
"""

from __future__ import annotations

from aiohttp import web

from sampan.api import query
from sampan.api.answers import described, json_response
from sampan.api.history import as_of
from sampan.api.keys import ENGINE
from sampan.errors import Unsupported

routes = web.RouteTableDef()

FILTERS = frozenset({"dangling", "driver", "id", "label", "name", "scope", "type"})


@routes.get("/networks")
async def list_networks(request: web.Request) -> web.Response:
    """NetworkList."""
    wanted = query.filters(request.query, FILTERS)
    networks = request.app[ENGINE].networks.select(wanted)
    return json_response([as_of(request["version"], "network", network) for network in networks])


@routes.get("/networks/{id}")
async def inspect_network(request: web.Request) -> web.Response:
    """NetworkInspect."""
    engine = request.app[ENGINE]
    network = engine.networks.inspect(request.match_info["id"], engine.containers.all())
    return described(request, "network", network)


@routes.post("/networks/create")
async def create_network(_: web.Request) -> web.Response:
    """NetworkCreate."""
    raise Unsupported("user-defined networks are not supported yet")


@routes.post("/networks/prune")
async def prune_networks(_: web.Request) -> web.Response:
    """NetworkPrune: the predefined networks are never pruned, and there are no others."""
    return json_response({"NetworksDeleted": None})
