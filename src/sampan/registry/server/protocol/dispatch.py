# SPDX-License-Identifier: Apache-2.0
"""From a request to the function that answers it, and from what goes wrong to an answer.

aiohttp's router and application are left out: one path grammar needs neither, and small requests are most of what a
registry gets.
"""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from sampan.registry.server import telemetry
from sampan.registry.server.access import token_endpoint
from sampan.registry.server.errors import Refusal
from sampan.registry.server.protocol import blobs, listing, manifests, uploads
from sampan.registry.server.protocol.call import VERSION, Call, Service, answer
from sampan.registry.server.protocol.routes import Resource, Route, parse_route

logger = logging.getLogger(__name__)

Endpoint = Callable[[Call], Awaitable[web.StreamResponse]]


async def ping(call: Call) -> web.StreamResponse:
    """``/v2/``: this is a registry, and you may come in."""
    call.service.gate.greet(call.request, call.principal)
    return answer(200, body=b"{}")


async def show_metrics(call: Call) -> web.StreamResponse:
    """``/metrics``, for everyone whom the registry knows."""
    if not call.service.has_metrics:
        raise _not_found()
    call.service.gate.greet(call.request, call.principal)
    used = await call.block(call.store.stored_bytes)
    gauges = {"sampan_registry_stored_bytes": ("Bytes of all blobs, each counted once.", float(used))}
    return answer(200, {}, call.service.telemetry.render(gauges), telemetry.CONTENT_TYPE)


async def show_page(call: Call) -> web.StreamResponse:
    """What people see; the templates are loaded when the first of them comes."""
    from sampan.registry.server.pages.site import show_page as show

    if not call.service.has_pages:
        raise _not_found()
    return await show(call)


ENDPOINTS: dict[Resource, dict[str, Endpoint]] = {
    "base": {"GET": ping, "HEAD": ping},
    "catalog": {"GET": listing.list_repositories},
    "tags": {"GET": listing.list_tags},
    "referrers": {"GET": listing.list_referrers},
    "blob": {"GET": blobs.get_blob, "HEAD": blobs.head_blob, "DELETE": blobs.delete_blob},
    "uploads": {"POST": uploads.start_upload},
    "upload": {
        "GET": uploads.upload_status,
        "PATCH": uploads.append,
        "PUT": uploads.finish_upload,
        "DELETE": uploads.cancel_upload,
    },
    "token": {"GET": token_endpoint.get_token, "POST": token_endpoint.post_token},
    "metrics": {"GET": show_metrics},
    "page": {"GET": show_page, "HEAD": show_page},
    "manifest": {
        "GET": manifests.get_manifest,
        "HEAD": manifests.get_manifest,
        "PUT": manifests.put_manifest,
        "DELETE": manifests.delete_manifest,
    },
}


async def respond(service: Service, request: web.BaseRequest) -> web.StreamResponse:
    """The answer, whatever happens; counted and noted in the log."""
    started = time.monotonic()
    service.telemetry.begin()
    seen = _Seen()
    response: web.StreamResponse | None = None
    try:
        response = await _respond_safely(service, request, seen)
    finally:
        seconds = time.monotonic() - started
        status = response.status if response is not None else 499
        has_body = response is not None and request.method != "HEAD"
        size = response.content_length or 0 if response is not None and has_body else 0
        service.telemetry.end(seen.resource, request.method, status, seconds)
        service.telemetry.add("sampan_registry_sent_bytes_total", size)
        if service.log is not None:
            service.log.add(request, seen.user, status, size, seconds)
    return response


@dataclass(slots=True)
class _Seen:
    """What is known of a request, for those who count."""

    resource: Resource = "page"
    user: str = ""


async def _respond_safely(service: Service, request: web.BaseRequest, seen: _Seen) -> web.StreamResponse:
    try:
        return await _respond(service, request, seen)
    except Refusal as error:
        return _refuse(request, error)
    except ConnectionError:  # nobody is there to read it
        return _refuse(request, Refusal("SIZE_INVALID", "the body ended early"))
    except Exception as error:
        logger.exception("%s %s", request.method, request.path)
        return _refuse(request, _explain(error))


def _explain(error: Exception) -> Refusal:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Refusal("UNAVAILABLE", "no space left on the registry's disk", status=507)
    return Refusal("UNKNOWN", "the registry failed; its log says why")


async def _respond(service: Service, request: web.BaseRequest, seen: _Seen) -> web.StreamResponse:
    route = _find_route(request)
    seen.resource = route.resource
    methods = ENDPOINTS[route.resource]
    endpoint = methods.get(request.method)
    if endpoint is None:
        headers = {"Allow": ", ".join(sorted(methods))}
        raise Refusal("UNSUPPORTED", "the operation is unsupported", headers=headers)
    principal = await service.gate.identify(request)
    seen.user = principal.name
    return await endpoint(Call(service, request, route, principal))


def _find_route(request: web.BaseRequest) -> Route:
    try:
        route = parse_route(request.path)
    except ValueError:
        route = None
    if route is None:
        raise _not_found()
    return route


def _not_found() -> Refusal:
    return Refusal("UNSUPPORTED", "there is nothing of this name", status=404)


def _refuse(request: web.BaseRequest, error: Refusal) -> web.Response:
    response = answer(error.status, {**VERSION, **error.headers}, error.encode())
    if request.body_exists and not request.content.is_eof():
        response.force_close()  # nobody reads the rest of the body
    return response
