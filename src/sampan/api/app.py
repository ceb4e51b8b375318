# SPDX-License-Identifier: Apache-2.0
"""The application: all routes, each with and without a version before its path.

Source: Engine API v1.51. Every answer carries the headers that clients negotiate with.
"""

from __future__ import annotations

from aiohttp import web

from sampan.api import (
    archive,
    build,
    build_cache,
    build_history,
    build_prune,
    buildkit,
    commit,
    containers,
    figures,
    images,
    networks,
    sharing,
    streams,
    system,
    unsupported,
    volumes,
    websocket,
)
from sampan.api.completion import completed, is_completed
from sampan.api.errors import Route, errors_middleware
from sampan.api.hijack import stay_http
from sampan.api.keys import ENGINE
from sampan.api.versions import CURRENT, SERVER_HEADERS, check_version
from sampan.engine.engine import Engine
from sampan.errors import InvalidArgument

RESOURCES = (
    containers,
    streams,
    websocket,
    archive,
    figures,
    commit,
    sharing,
    images,
    build,
    build_cache,
    build_history,
    build_prune,
    buildkit,
    networks,
    volumes,
    system,
    unsupported,
)
UNLIMITED = 1 << 62
VERSION_PREFIX = r"/v{version:\d+\.\d+}"


def make_app(engine: Engine) -> web.Application:
    """The whole API of one engine."""
    app = web.Application(middlewares=[errors_middleware, version_middleware], client_max_size=UNLIMITED)
    app[ENGINE] = engine
    app.on_response_prepare.append(_add_server_headers)
    app.on_response_prepare.append(stay_http)
    app.on_shutdown.append(_end_buildkit)
    for resource in RESOURCES:
        for route in resource.routes:
            assert isinstance(route, web.RouteDef)
            handler = completed(route.handler) if is_completed(route) else route.handler
            for prefix in ("", VERSION_PREFIX):
                app.router.add_route(route.method, prefix + route.path, handler)
    return app


async def _end_buildkit(app: web.Application) -> None:
    """Connections that have left HTTP would be waited for."""
    engine = app[ENGINE]
    if engine.has_buildkit:
        await engine.buildkit.close()


async def _add_server_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(SERVER_HEADERS)


@web.middleware
async def version_middleware(request: web.Request, handler: Route) -> web.StreamResponse:
    """Note the version that the client speaks; refuse what is out of range."""
    request["version"] = request.match_info.get("version", CURRENT)
    check_version(request["version"])
    if "%00" in request.path_qs:  # nothing that the kernel takes can hold one
        raise InvalidArgument("invalid request: a NUL character in its path or query")
    return await handler(request)
