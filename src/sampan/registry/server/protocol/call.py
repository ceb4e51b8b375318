# SPDX-License-Identifier: Apache-2.0
"""One request, with everything that answers it; and what all answers have in common."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from aiohttp import web

from sampan.oci.digest import Digest, InvalidDigest, parse_digest
from sampan.registry.server.access.principal import Action, Gate, Principal
from sampan.registry.server.errors import Refusal, digest_invalid
from sampan.registry.server.names import is_repository
from sampan.registry.server.protocol.routes import Route
from sampan.registry.server.storage.repository import MAX_MANIFEST_BYTES, Repository
from sampan.registry.server.storage.store import Store

if TYPE_CHECKING:
    from sampan.registry.server.access_log import AccessLog
    from sampan.registry.server.telemetry import Telemetry
    from sampan.registry.server.upstream import Upstreams

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

VERSION = {"Docker-Distribution-API-Version": "registry/2.0", "Server": "sampan"}


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client may cost."""

    manifest_bytes: int = MAX_MANIFEST_BYTES
    stall_s: float = 60.0
    """How long a body may bring nothing, or an answer not be taken."""
    slowest_bytes_s: int = 1024
    """What a body must bring at least, on the average of `stall_s`."""
    head_s: float = 30.0
    """How long a connection may take to send a request's head, and may be idle."""
    grace_s: float = 3600.0
    """How long a blob that nothing refers to is kept."""


@dataclass(frozen=True, slots=True)
class Service:
    """What all requests to one registry share."""

    store: Store
    gate: Gate
    threads: ThreadPoolExecutor
    """For what waits for the disk."""
    senders: ThreadPoolExecutor
    telemetry: Telemetry
    upstreams: Upstreams
    limits: Limits = field(default_factory=Limits)
    log: AccessLog | None = None
    has_pages: bool = True
    has_metrics: bool = True


@dataclass(frozen=True, slots=True)
class Call:
    """One request."""

    service: Service
    request: web.BaseRequest
    route: Route
    principal: Principal

    @property
    def store(self) -> Store:
        """What the registry keeps."""
        return self.service.store

    def repository(self, action: Action) -> Repository:
        """The repository that the path names, if this may be done to it."""
        name = self.route.name
        if not is_repository(name):
            raise Refusal("NAME_INVALID", "invalid repository name", detail={"name": name[:256]})
        self.require(action, name)
        if action == "push" and self.service.upstreams.rule_for(name) is not None:
            raise Refusal("UNSUPPORTED", f"{name} is a cache of another registry")
        return self.store.repository(name)

    def require(self, action: Action, name: str) -> None:
        """Refuse what may not be done."""
        if not self.principal.may(action, name):
            raise self.service.gate.refuse(self.request, self.principal, action, name)

    def digest(self) -> Digest:
        """The digest that the path names."""
        return read_digest(self.route.argument)

    async def block(
        self, call: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Result:
        """Do what waits for the disk in a thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.service.threads, lambda: call(*args, **kwargs))


def read_digest(text: str) -> Digest:
    """A digest as a client wrote it."""
    try:
        return parse_digest(text)
    except InvalidDigest as error:
        raise digest_invalid(text[:256], error.message) from error


def answer(
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    content_type: str = "application/json",
) -> web.Response:
    """An answer; one without a body says so."""
    fields = {**VERSION, **(headers or {})}
    if body is not None:
        fields["Content-Type"] = content_type
    return web.Response(status=status, headers=fields, body=body)


def is_match(request: web.BaseRequest, digest: Digest) -> bool:
    """Whether the client has this already (If-None-Match)."""
    said = request.headers.get("If-None-Match")
    if said is None:
        return False
    return said.strip() == "*" or str(digest) in said


def not_modified(digest: Digest) -> web.Response:
    """304."""
    return answer(304, content_headers(digest))


def content_headers(digest: Digest) -> dict[str, str]:
    """What is said of any content that has a digest."""
    return {"Docker-Content-Digest": str(digest), "ETag": f'"{digest}"'}
