# SPDX-License-Identifier: Apache-2.0
"""`POST /build/prune`: making the build cache smaller.

Source: Engine API v1.51, BuildPrune. What is in use is never taken, and no result is found by its parent.
"""

from __future__ import annotations

from aiohttp import web
from multidict import MultiMapping

from sampan.api import query
from sampan.api.answers import json_response
from sampan.api.container_filters import until_ns
from sampan.api.keys import ENGINE
from sampan.build.cache_choice import CacheChoice
from sampan.errors import InvalidArgument

routes = web.RouteTableDef()

# A system prune sends its labels here, too; no result has any, and as in Docker they spare none.
FILTERS = frozenset(
    [
        "description",
        "id",
        "inuse",
        "label",
        "label!",
        "parent",
        "private",
        "shared",
        "type",
        "until",
        "unused-for",
    ]
)
NOTHING = CacheChoice(ids=frozenset({"nothing"}))


@routes.post("/build/prune")
async def prune_cache(request: web.Request) -> web.Response:
    """BuildPrune."""
    engine = request.app[ENGINE]
    choice = plan_choice(request.query)
    everything = query.flag(request.query, "all") and choice.is_everything
    removed, freed = await engine.builder.prune(everything=everything, choice=choice)
    engine.events.publish("builder", "prune", "", {"reclaimed": str(freed)})
    return json_response({"CachesDeleted": removed or None, "SpaceReclaimed": freed})


def plan_choice(values: MultiMapping[str]) -> CacheChoice:
    """What the parameters spare (pure, but for the clock)."""
    wanted = query.filters(values, FILTERS)
    if wanted.get("parent") or "inuse" in wanted:
        return NOTHING
    until = wanted.get("until") or wanted.get("unused-for") or []
    if len(until) > 1:
        raise InvalidArgument("'until' filter expects only one value: " + ", ".join(until))
    return CacheChoice(
        ids=frozenset(wanted.get("id", ())),
        descriptions=frozenset(wanted.get("description", ())),
        types=frozenset(wanted.get("type", ())),
        shared=True if "shared" in wanted else False if "private" in wanted else None,
        unused_since_ns=until_ns(until[0]) if until else None,
        reserved_bytes=query.integer(values, "reserved-space") or query.integer(values, "keep-storage"),
        max_used_bytes=query.integer(values, "max-used-space"),
        min_free_bytes=query.integer(values, "min-free-space"),
    )
