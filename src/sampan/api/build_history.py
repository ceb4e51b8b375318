# SPDX-License-Identifier: Apache-2.0
"""`/build/history`: the builds that there were, of whichever client, and those under way.

Sampan's own; BuildKit's clients ask for the same by `ListenBuildHistory` and `Status`. A build is named by its ref, the
beginning of one, ``^N`` for the Nth from the last, or ``^0`` for the last.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from aiohttp import web

from sampan.api.answers import JsonLines, json_response, no_content
from sampan.api.keys import ENGINE
from sampan.build.history.filters import parse_filters
from sampan.build.history.inspecting import inspect_entry, summarize
from sampan.build.history.store import BuildHistory

if TYPE_CHECKING:
    from sampan.build.history.events import Timed

routes = web.RouteTableDef()


@routes.get("/build/history")
async def list_builds(request: web.Request) -> web.Response:
    """The builds that pass all filters, the last one first."""
    matches = parse_filters(request.query.getall("filter", []), now_ns=time.time_ns())
    entries = [entry for entry in _history(request).entries() if matches(entry)]
    return json_response([summarize(entry) for entry in reversed(entries)])


@routes.get("/build/history/{ref}")
async def inspect_build(request: web.Request) -> web.Response:
    """One build."""
    history = _history(request)
    entry = history.find(request.match_info["ref"])
    live = history.live(entry.ref)
    events = live.events if live is not None else list(history.events(entry.ref))
    return json_response(inspect_entry(entry, events, now_ns=time.time_ns()))


@routes.get("/build/history/{ref}/logs")
async def stream_log(request: web.Request) -> web.StreamResponse:
    """The events of one build, each with its moment, to its end."""
    history = _history(request)
    entry = history.find(request.match_info["ref"])
    lines = await JsonLines.open(request)
    async for events in _watch(history, entry.ref):
        for moment_ns, event in events:
            await lines.write({"at": moment_ns, "sampan": event.to_json()})
    return await lines.close()


@routes.delete("/build/history/{ref}")
async def remove_build(request: web.Request) -> web.Response:
    """Forget one build."""
    history = _history(request)
    history.remove(history.find(request.match_info["ref"]).ref)
    return no_content()


def _history(request: web.Request) -> BuildHistory:
    return request.app[ENGINE].builder.history


async def _watch(history: BuildHistory, ref: str) -> AsyncIterator[Sequence[Timed]]:
    live = history.live(ref)
    if live is None:
        yield list(history.events(ref))
        return
    async for events in live.watch():
        yield events
