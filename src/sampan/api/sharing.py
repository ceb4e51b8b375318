# SPDX-License-Identifier: Apache-2.0
"""Images to and from registries: pull, push, log in, look at a manifest there, search.

Source: Engine API v1.51, ImageCreate (fromImage), ImagePush, SystemAuth, DistributionInspect, ImageSearch.
An error before the first line of progress has a status of its own, as with Docker; one after it is a line.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web

from sampan.api import query
from sampan.api.answers import JsonLines, error_line, json_response
from sampan.api.keys import ENGINE
from sampan.api.transfers import transfer_line
from sampan.errors import Internal, InvalidArgument, SampanError, Unauthenticated
from sampan.image.transfer import Line, Progress
from sampan.oci.reference import parse_name
from sampan.registry.credentials import decode_credentials, decode_header, registry_of
from sampan.registry.search import SearchRequest

routes = web.RouteTableDef()

AUTH_HEADER = "X-Registry-Auth"


async def pull_image(request: web.Request) -> web.StreamResponse:
    """ImageCreate with fromImage; without a tag, all tags of the repository."""
    engine = request.app[ENGINE]
    name, tag = request.query["fromImage"], request.query.get("tag", "")
    reference = parse_name(name)
    if tag:
        name = f"{name}@{tag}" if ":" in tag else str(_retagged(name, tag))
    platform = query.platform(request.query)
    credentials = decode_header(request.headers.get(AUTH_HEADER, ""))
    is_one = bool(tag or reference.tag or reference.digest)
    pull = engine.sharing.pull if is_one else engine.sharing.pull_all

    async def work(progress: Progress) -> None:
        await pull(name, platform=platform, credentials=credentials, progress=progress)

    return await _stream(request, work)


@routes.post("/images/{name:.+}/push")
async def push_image(request: web.Request) -> web.StreamResponse:
    """ImagePush."""
    engine = request.app[ENGINE]
    name, tag = request.match_info["name"], request.query.get("tag", "")
    platform = query.platform(request.query)
    credentials = decode_header(request.headers.get(AUTH_HEADER, ""))

    async def work(progress: Progress) -> None:
        progress(Line(f"The push refers to repository [{parse_name(name).name}]"))
        await engine.sharing.push(name, tag, platform=platform, credentials=credentials, progress=progress)

    return await _stream(request, work)


@routes.post("/auth")
async def log_in(request: web.Request) -> web.Response:
    """SystemAuth."""
    source = msgspec.json.decode(await request.read(), type=dict[str, Any])
    registry = registry_of(str(source.get("serveraddress") or ""))
    token = await request.app[ENGINE].sharing.registries.log_in(registry, decode_credentials(source))
    return json_response({"Status": "Login Succeeded", "IdentityToken": token})


@routes.get("/distribution/{name:.+}/json")
async def inspect_distribution(request: web.Request) -> web.Response:
    """DistributionInspect; with `sampan.manifest`, the manifest itself as text."""
    credentials = decode_header(request.headers.get(AUTH_HEADER, ""))
    found = await request.app[ENGINE].sharing.inspect(request.match_info["name"], credentials)
    if not query.flag(request.query, "sampan.manifest"):
        del found["Manifest"]
    return json_response(found)


@routes.get("/images/search")
async def search_images(request: web.Request) -> web.Response:
    """ImageSearch."""
    filters = query.filters(request.query, frozenset({"is-official", "is-automated", "stars"}))
    wanted = SearchRequest(
        term=request.query.get("term", ""),
        limit=query.integer(request.query, "limit") or 0,
        is_official=_boolean(filters, "is-official"),
        is_automated=_boolean(filters, "is-automated"),
        least_stars=_stars(filters),
    )
    credentials = decode_header(request.headers.get(AUTH_HEADER, ""))
    return json_response(await request.app[ENGINE].sharing.search(wanted, credentials))


async def _stream(request: web.Request, work: Callable[[Progress], Awaitable[None]]) -> web.StreamResponse:
    """Do the work; its lines as they come. A client that goes away ends it."""
    engine = request.app[ENGINE]
    events: asyncio.Queue[Line | None] = asyncio.Queue()

    async def working() -> None:
        await work(events.put_nowait)

    task = engine.background.spawn(working(), name=f"{request.method} {request.path}")
    task.add_done_callback(lambda _: events.put_nowait(None))
    try:
        line = await events.get()
        if line is None:
            await _outcome(task)
        lines = await JsonLines.open(request)
        while line is not None:
            await lines.write(transfer_line(line))
            line = await events.get()
        try:
            await task
        except SampanError as error:
            await lines.write(error_line(error))
        except Exception as error:  # noqa: BLE001 - logged by the task; the head has gone out
            await lines.write(error_line(Internal(f"{type(error).__name__}: {error}")))
        return await lines.close()
    finally:
        task.cancel()


async def _outcome(task: asyncio.Task[None]) -> None:
    """A refusal before the first line. Docker does not pass on 401 here: its command line would ask for a password."""
    try:
        await task
    except Unauthenticated as error:
        raise Internal(error.message, hint=error.hint) from error


def _retagged(name: str, tag: str) -> str:
    """The name as it was written, with the tag in place of its own."""
    parse_name(name).with_tag(tag)
    head, slash, last = name.rpartition("/")
    return f"{head}{slash}{last.partition('@')[0].partition(':')[0]}:{tag}"


def _boolean(filters: dict[str, list[str]], name: str) -> bool | None:
    values = filters.get(name)
    if not values:
        return None
    if values[0] not in ("true", "false", "1", "0"):
        raise InvalidArgument(f"invalid filter '{name}={values}'")
    return values[0] in ("true", "1")


def _stars(filters: dict[str, list[str]]) -> int:
    values = filters.get("stars", ["0"])
    if not all(value.isdecimal() for value in values):
        raise InvalidArgument(f"invalid filter 'stars={values}'")
    return max(int(value) for value in values)
