# SPDX-License-Identifier: Apache-2.0
"""Routes below /networks.

Source: Engine API v1.51, "Network".
"""

from __future__ import annotations

from aiohttp import web

from sampan.api import query
from sampan.api.answers import described, json_response
from sampan.api.bodies import decode_body
from sampan.api.container_filters import until_ns
from sampan.api.history import as_of
from sampan.api.keys import ENGINE
from sampan.errors import NotFound
from sampan.schema.network import NetworkConnect, NetworkCreate, NetworkDisconnect

routes = web.RouteTableDef()

FILTERS = frozenset({"dangling", "driver", "id", "label", "name", "scope", "type"})
PRUNE_FILTERS = frozenset({"label", "label!", "until"})


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
    if request.query.get("scope", "local") not in ("", "local"):
        raise NotFound(f"network {request.match_info['id']} not found")
    network = engine.networks.inspect(request.match_info["id"], engine.containers.all())
    return described(request, "network", network)


@routes.post("/networks/create")
async def create_network(request: web.Request) -> web.Response:
    """NetworkCreate."""
    create = decode_body(await request.read(), NetworkCreate)
    network = await request.app[ENGINE].networks.create(create)
    return json_response({"Id": network.id, "Warning": ""}, status=201)


@routes.delete("/networks/{id}")
async def remove_network(request: web.Request) -> web.Response:
    """NetworkDelete."""
    await request.app[ENGINE].networks.remove(request.match_info["id"])
    return web.Response(status=204)


@routes.post("/networks/{id}/connect")
async def connect_network(request: web.Request) -> web.Response:
    """NetworkConnect."""
    connect = decode_body(await request.read(), NetworkConnect)
    engine = request.app[ENGINE]
    network = engine.networks.find(request.match_info["id"])
    await engine.connecting.connect(
        network, engine.containers.find(connect.container), connect.endpoint_config
    )
    return web.Response()


@routes.post("/networks/{id}/disconnect")
async def disconnect_network(request: web.Request) -> web.Response:
    """NetworkDisconnect."""
    disconnect = decode_body(await request.read(), NetworkDisconnect)
    engine = request.app[ENGINE]
    network = engine.networks.find(request.match_info["id"])
    await engine.connecting.disconnect(network, engine.containers.find(disconnect.container))
    return web.Response()


@routes.post("/networks/prune")
async def prune_networks(request: web.Request) -> web.Response:
    """NetworkPrune."""
    wanted = query.filters(request.query, PRUNE_FILTERS)
    until = wanted.pop("until", None)
    before_ns = until_ns(until[0]) if until else None
    removed = await request.app[ENGINE].networks.prune(wanted, before_ns=before_ns)
    return json_response({"NetworksDeleted": removed or None})
