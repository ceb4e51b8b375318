# SPDX-License-Identifier: Apache-2.0
"""Which requests are carried out to their end although their client has gone.

A request for a stream ends with its client: nobody reads it any more. One that changes something and is answered
in one piece has been asked for when it is here: to give up in the middle would leave a container half started, a
stop without its kill, a network without its bridge. Docker does the same (`context.WithoutCancel`).
"""

from __future__ import annotations

import functools

from aiohttp import web

from sampan.api.errors import Route
from sampan.api.keys import ENGINE

READING = frozenset({"GET", "HEAD", "OPTIONS"})


def is_completed(route: web.RouteDef) -> bool:
    """Whether a route changes something and answers in one piece: its handler says that it returns a Response."""
    whole = route.handler.__annotations__.get("return") in ("web.Response", web.Response)
    return whole and route.method not in READING


def completed(handler: Route) -> Route:
    """The same handler, as work that goes on without its client."""

    async def work(request: web.Request) -> web.StreamResponse:
        return await handler(request)

    @functools.wraps(handler)
    async def run(request: web.Request) -> web.StreamResponse:
        name = f"{request.method} {request.path}"
        return await request.app[ENGINE].background.complete(work(request), name=name)

    return run
