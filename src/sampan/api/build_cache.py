# SPDX-License-Identifier: Apache-2.0
"""`POST /build/cache/export` and `/import`: the whole build cache, with cache mounts, to and from another place.

Sampan's own: BuildKit's cache leaves with a build only, and its cache mounts never. A folder or file is one of this
machine, and for who may read and write it anyway.
"""

from __future__ import annotations

from aiohttp import web

from sampan.api import query
from sampan.api.answers import json_response
from sampan.api.build import require_same_user
from sampan.api.keys import ENGINE
from sampan.build.caches.places import CachePlace, parse_place
from sampan.build.caches.using import cache_transports
from sampan.registry.credentials import decode_config_header
from sampan.transport.opening import Surroundings

routes = web.RouteTableDef()


@routes.post("/build/cache/export")
async def export_cache(request: web.Request) -> web.Response:
    """Write all results, and with `mounts` all cache mounts."""
    place, around = _place(request)
    mounts = query.flag(request.query, "mounts")
    sent = await request.app[ENGINE].builder.export_cache(place, around, mounts=mounts)
    return json_response(
        {"Records": sent.records, "Mounts": sent.mounts, "Layers": sent.layers, "Sent": sent.size_bytes}
    )


@routes.post("/build/cache/import")
async def import_cache(request: web.Request) -> web.Response:
    """Bring all results whose base images are here, and with `mounts` the cache mounts that are missing."""
    place, around = _place(request)
    mounts = query.flag(request.query, "mounts")
    brought = await request.app[ENGINE].builder.import_cache(place, around, mounts=mounts)
    return json_response({"Records": brought.records, "Mounts": brought.mounts, "Skipped": brought.skipped})


def _place(request: web.Request) -> tuple[CachePlace, Surroundings]:
    place = parse_place(request.query.get("place", ""))
    if place.is_on_disk:
        require_same_user(request, "build cache on this machine cannot be reached")
    accounts = decode_config_header(request.headers.get("X-Registry-Config", ""))
    return place, cache_transports(request.app[ENGINE].sharing.registries, accounts)
