# SPDX-License-Identifier: Apache-2.0
"""BuildKit's two connections: `POST /session`, on which the client serves, and `POST /grpc`, on which we do.

Source: Engine API v1.51, Session; moby's router for `/grpc`. Both upgrade the connection to HTTP/2 without TLS.
What speaks BuildKit's protocols is loaded when the first of them comes.
"""

from __future__ import annotations

import socket

from aiohttp import web

from sampan.api.hijack import Hijacked, hijack_for_http2
from sampan.api.keys import ENGINE
from sampan.errors import InvalidArgument

routes = web.RouteTableDef()

METHODS = "X-Docker-Expose-Session-Grpc-Method"


@routes.post("/session")
async def session(request: web.Request) -> web.StreamResponse:
    """Session: keep the connection until the client ends it."""
    from sampan.buildkit.session import read_head

    _require_http2(request)
    head = read_head(request.headers, request.headers.getall(METHODS, []))
    buildkit = request.app[ENGINE].buildkit
    fd, initial = hijack_for_http2(request)
    await buildkit.run_session(head, socket.socket(fileno=fd), initial)
    return Hijacked()


@routes.post("/grpc")
async def grpc(request: web.Request) -> web.StreamResponse:
    """BuildKit's services, until the client ends the connection."""
    _require_http2(request)
    buildkit = request.app[ENGINE].buildkit
    fd, initial = hijack_for_http2(request)
    await buildkit.serve(socket.socket(fileno=fd), initial)
    return Hijacked()


def _require_http2(request: web.Request) -> None:
    """Anything but an upgrade is no client of these."""
    if request.headers.get("Upgrade", "").lower() != "h2c":
        raise InvalidArgument(f"{request.path}: the connection must be upgraded to h2c")
