# SPDX-License-Identifier: Apache-2.0
"""From a request to the function that answers it, and from what goes wrong to an answer.

aiohttp's router and application are left out: one path grammar needs neither, and small requests are most of what a
registry gets.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from sampan.errors import DiskFull, InvalidArgument, SampanError
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
    "manifest": {
        "GET": manifests.get_manifest,
        "HEAD": manifests.get_manifest,
        "PUT": manifests.put_manifest,
        "DELETE": manifests.delete_manifest,
    },
}


async def respond(service: Service, request: web.BaseRequest) -> web.StreamResponse:
    """The answer, whatever happens."""
    try:
        return await _respond(service, request)
    except Refusal as error:
        return _refuse(request, error)
    except DiskFull:
        return _refuse(request, Refusal("UNAVAILABLE", "no space left on the registry's disk", status=507))
    except InvalidArgument as error:
        return _refuse(request, Refusal("UNSUPPORTED", error.message, status=400))
    except SampanError as error:
        logger.exception("%s %s", request.method, request.path)
        return _refuse(request, Refusal("UNKNOWN", error.message))
    except ConnectionError:  # nobody is there to read it
        return _refuse(request, Refusal("SIZE_INVALID", "the body ended early"))
    except Exception:
        logger.exception("%s %s", request.method, request.path)
        return _refuse(request, Refusal("UNKNOWN", "the registry failed; its log says why"))


async def _respond(service: Service, request: web.BaseRequest) -> web.StreamResponse:
    route = _find_route(request)
    methods = ENDPOINTS.get(route.resource)
    if methods is None:
        raise _not_found()
    endpoint = methods.get(request.method)
    if endpoint is None:
        headers = {"Allow": ", ".join(sorted(methods))}
        raise Refusal("UNSUPPORTED", "the operation is unsupported", headers=headers)
    principal = await service.gate.identify(request)
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
