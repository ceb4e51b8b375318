# SPDX-License-Identifier: Apache-2.0
"""Routes about the engine itself: ping, version, info, events, disk usage.

Source: Engine API v1.51, "System".
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from aiohttp import web

from sampan.api import query
from sampan.api.answers import JsonLines, described
from sampan.api.event_filters import EVENT_FILTERS, matches
from sampan.api.history import Kind, as_of
from sampan.api.keys import ENGINE
from sampan.api.older_requests import is_before
from sampan.api.versions import CURRENT, MINIMUM
from sampan.errors import InvalidArgument

routes = web.RouteTableDef()

DISK_USAGE_TYPES = frozenset({"container", "image", "volume", "build-cache"})
DISK_USAGE_PARTS: tuple[tuple[str, Kind], ...] = (
    ("Images", "image summary"),
    ("Containers", "container summary"),
    ("Volumes", "volume"),
)


@routes.head("/_ping")
@routes.get("/_ping", allow_head=False)
async def ping(_: web.Request) -> web.Response:
    """SystemPing: the headers that every client negotiates with are added to all answers."""
    return web.Response(
        text="OK",
        headers={
            "Cache-Control": "no-cache, no-store, must-revalidate",
            "Pragma": "no-cache",
            "Swarm": "inactive",
        },
    )


@routes.get("/version")
async def version(request: web.Request) -> web.Response:
    """SystemVersion."""
    facts = request.app[ENGINE].facts
    return described(request, "system version", facts.version(api=CURRENT, minimum=MINIMUM))


@routes.get("/info")
async def info(request: web.Request) -> web.Response:
    """SystemInfo."""
    return described(request, "info", request.app[ENGINE].info())


@routes.get("/events")
async def events(request: web.Request) -> web.StreamResponse:
    """SystemEvents: what happened since, then what happens, until."""
    bus = request.app[ENGINE].events
    wanted = query.filters(request.query, EVENT_FILTERS)
    older = is_before(request["version"], "1.46")

    def keep(event: dict[str, Any]) -> bool:
        is_later = older and (event["Type"], event["Action"]) == ("image", "create")
        return matches(event, wanted) and not is_later

    since, until = (_moment(request.query.get(name, "")) for name in ("since", "until"))
    if since is not None and until is not None and until < since:
        raise InvalidArgument(
            f"`since` time ({request.query['since']}) cannot be after `until` time ({request.query['until']})"
        )
    with bus.subscription() as queue:
        lines = await JsonLines.open(request)
        for event in bus.history() if since is not None else ():
            if event["timeNano"] >= (since or 0) and _in_time(event, until) and keep(event):
                await lines.write(event)
        while (limit_s := _seconds_left(until)) is None or limit_s > 0:
            try:
                event = await asyncio.wait_for(queue.get(), limit_s)
            except TimeoutError:
                break
            if keep(event):
                await lines.write(event)
    return await lines.close()


def _moment(text: str) -> int | None:
    return query.timestamp_ns(text) if text else None


def _in_time(event: dict[str, Any], until_ns: int | None) -> bool:
    return until_ns is None or event["timeNano"] <= until_ns


def _seconds_left(until_ns: int | None) -> float | None:
    return None if until_ns is None else (until_ns - time.time_ns()) / 1e9


@routes.get("/system/df")
async def disk_usage(request: web.Request) -> web.Response:
    """SystemDataUsage."""
    version = request["version"]
    kinds = [] if is_before(version, "1.42") else request.query.getall("type", [])
    for kind in kinds:
        if kind not in DISK_USAGE_TYPES:
            raise InvalidArgument(f"unknown object type: {kind}")
    usage = await request.app[ENGINE].disk_usage.count(kinds)
    for name, shape in DISK_USAGE_PARTS:
        if name in usage:
            usage = usage | {name: [as_of(version, shape, entry) for entry in usage[name]]}
    return described(request, "disk usage", usage)
