# SPDX-License-Identifier: Apache-2.0
"""One table from the kinds of errors to HTTP statuses, and the middleware that applies it.

Source: Engine API v1.51, ErrorResponse: `{"message": …}`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from sampan import errors
from sampan.archive.entry import InvalidArchive

logger = logging.getLogger(__name__)

Route = Callable[[web.Request], Awaitable[web.StreamResponse]]

STATUSES: tuple[tuple[type[errors.SampanError], int], ...] = (
    (errors.InvalidArgument, 400),
    (InvalidArchive, 400),  # the client sent it
    (errors.Unauthenticated, 401),
    (errors.PermissionDenied, 403),
    (errors.NotFound, 404),
    (errors.Conflict, 409),
    (errors.NotModified, 304),
    (errors.Cancelled, 499),
    (errors.Unsupported, 501),
    (errors.Unavailable, 503),
)


def http_status(error: BaseException) -> int:
    """The status that Docker would answer for this error; 500 for everything unexpected."""
    return next((status for kind, status in STATUSES if isinstance(error, kind)), 500)


def error_response(status: int, message: str, hint: str | None = None) -> web.Response:
    """The body that every Docker client reads; `hint` is ours, others ignore it."""
    if status == 304:
        return web.Response(status=304)
    body = {"message": message} | ({"hint": hint} if hint else {})
    return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/json")


@web.middleware
async def errors_middleware(request: web.Request, handler: Route) -> web.StreamResponse:
    """Turn whatever a route raises into an answer; what nobody foresaw is logged with its trace."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        return _routing_error(error)
    except errors.SampanError as error:
        return error_response(http_status(error), error.message, error.hint)
    except msgspec.MsgspecError as error:
        return error_response(400, f"invalid request: {error}")
    except (asyncio.CancelledError, ConnectionResetError):
        raise
    except Exception as error:
        logger.exception("request failed: %s %s", request.method, request.path)
        return error_response(500, f"{type(error).__name__}: {error}")


def _routing_error(error: web.HTTPException) -> web.StreamResponse:
    if error.status in (404, 405):
        return error_response(404, "page not found")
    return error_response(error.status, error.reason)
