# SPDX-License-Identifier: Apache-2.0
"""Routes below /containers: list, create, inspect and the changes of a container's life."""

from __future__ import annotations

import time

from aiohttp import web

from sampan.api import query
from sampan.api.answers import JsonLines, described, json_response, no_content
from sampan.api.bodies import decode_body
from sampan.api.container_filters import ALLOWED_FILTERS, plan_filter
from sampan.api.history import as_of
from sampan.api.image_names import ImageNames
from sampan.api.keys import ENGINE
from sampan.api.older_requests import adapt_create, is_before
from sampan.engine.inspect import inspect_container, summarise_container
from sampan.engine.model import Container
from sampan.engine.waiting import check_condition
from sampan.errors import Conflict, InvalidArgument, SampanError
from sampan.schema.container import ContainerCreate

routes = web.RouteTableDef()


def find(request: web.Request) -> Container:
    """The container that the path names."""
    return request.app[ENGINE].containers.find(request.match_info["id"])


@routes.get("/containers/json")
async def list_containers(request: web.Request) -> web.Response:
    """ContainerList."""
    engine = request.app[ENGINE]
    wanted = query.filters(request.query, ALLOWED_FILTERS)
    limit = query.integer(request.query, "limit")
    show_all = query.flag(request.query, "all") or limit > 0 or "status" in wanted
    keep = plan_filter(wanted, engine)
    selected = engine.containers.select(lambda c: (show_all or c.state.is_running) and keep(c))
    now_ns = time.time_ns()
    named = ImageNames(engine.images)
    summaries = [
        summarise_container(c, now_ns=now_ns) | {"Image": named.shown(c)}
        for c in (selected[:limit] if limit > 0 else selected)
    ]
    if query.flag(request.query, "size"):
        for container, summary in zip(selected, summaries, strict=False):
            summary |= await engine.container_sizes(container)
    return json_response([as_of(request["version"], "container summary", line) for line in summaries])


@routes.post("/containers/create")
async def create_container(request: web.Request) -> web.Response:
    """ContainerCreate."""
    create = decode_body(await request.read(), ContainerCreate)
    outdated = adapt_create(create, request["version"])
    engine = request.app[ENGINE]
    platform = query.platform(request.query)
    container, warnings = await engine.create_container(request.query.get("name", ""), create, platform)
    return json_response({"Id": container.id, "Warnings": warnings + outdated}, status=201)


@routes.get("/containers/{id}/json")
async def inspect(request: web.Request) -> web.Response:
    """ContainerInspect."""
    engine = request.app[ENGINE]
    container = find(request)
    kind, _, other = container.host_config.network_mode.partition(":")
    owner = other if kind == "container" else container.id  # whose hosts and resolv.conf it has
    graph = {"Name": engine.facts.storage_driver, "Data": engine.layers_of(container)}
    shown = inspect_container(container, data_dir=f"{engine.roots.containers}/{owner}", graph=graph)
    if query.flag(request.query, "size"):
        shown |= await engine.container_sizes(container)
    return described(request, "container", shown)


@routes.post("/containers/{id}/start")
async def start(request: web.Request) -> web.Response:
    """ContainerStart."""
    if request.query.get("checkpoint"):
        raise InvalidArgument("checkpoint is only supported in experimental mode")
    await request.app[ENGINE].lifecycle.start(find(request))
    return no_content()


@routes.post("/containers/{id}/stop")
async def stop(request: web.Request) -> web.Response:
    """ContainerStop."""
    await request.app[ENGINE].lifecycle.stop(
        find(request),
        timeout_s=query.optional_integer(request.query, "t"),
        signal=_stop_signal(request),
    )
    return no_content()


def _stop_signal(request: web.Request) -> str:
    """The signal of a stop is the client's choice since 1.42."""
    return "" if is_before(request["version"], "1.42") else request.query.get("signal", "")


@routes.post("/containers/{id}/restart")
async def restart(request: web.Request) -> web.Response:
    """ContainerRestart."""
    await request.app[ENGINE].lifecycle.restart(
        find(request),
        timeout_s=query.optional_integer(request.query, "t"),
        signal=_stop_signal(request),
    )
    return no_content()


@routes.post("/containers/{id}/kill")
async def kill(request: web.Request) -> web.Response:
    """ContainerKill."""
    try:
        container = find(request)
    except SampanError as error:
        error.message = f"cannot kill container: {request.match_info['id']}: {error.message}"
        raise
    await request.app[ENGINE].lifecycle.kill(container, request.query.get("signal", ""))
    return no_content()


@routes.post("/containers/{id}/pause")
async def pause(request: web.Request) -> web.Response:
    """ContainerPause."""
    await request.app[ENGINE].lifecycle.pause(find(request))
    return no_content()


@routes.post("/containers/{id}/unpause")
async def unpause(request: web.Request) -> web.Response:
    """ContainerUnpause."""
    await request.app[ENGINE].lifecycle.unpause(find(request))
    return no_content()


@routes.post("/containers/{id}/rename")
async def rename(request: web.Request) -> web.Response:
    """ContainerRename."""
    request.app[ENGINE].containers.rename(find(request), request.query.get("name", ""))
    return no_content()


@routes.post("/containers/{id}/resize")
async def resize(request: web.Request) -> web.Response:
    """ContainerResize; a size that comes before the start has finished is kept for it."""
    container = find(request)
    rows, columns = query.console_size(request.query)
    await request.app[ENGINE].resize_container(container, rows, columns)
    return web.Response(status=200)


@routes.post("/containers/{id}/wait")
async def wait(request: web.Request) -> web.StreamResponse:
    """ContainerWait: the head at once, the exit code when the time comes."""
    container = find(request)
    older = is_before(request["version"], "1.30")
    condition = check_condition("" if older else request.query.get("condition", ""))
    exited = await request.app[ENGINE].lifecycle.wait(container, condition)
    try:
        lines = await JsonLines.open(request)
        await lines.write({"StatusCode": await exited})
    finally:
        exited.cancel()
    return await lines.close()


@routes.delete("/containers/{id}")
async def remove(request: web.Request) -> web.Response:
    """ContainerDelete."""
    if query.flag(request.query, "link"):
        raise Conflict("Conflict, cannot remove the default link name of the container")
    await request.app[ENGINE].lifecycle.remove(
        find(request), force=query.flag(request.query, "force"), volumes=query.flag(request.query, "v")
    )
    return no_content()


@routes.post("/containers/prune")
async def prune(request: web.Request) -> web.Response:
    """ContainerPrune: everything that does not run."""
    engine = request.app[ENGINE]
    keep = plan_filter(query.filters(request.query, frozenset({"until", "label", "label!"})), engine)
    doomed = engine.containers.select(lambda c: not c.state.is_running and keep(c))
    freed = 0
    for container in doomed:
        freed += (await engine.container_sizes(container))["SizeRw"]
        await engine.lifecycle.remove(container)
    engine.events.publish("container", "prune", "", {"reclaimed": str(freed)})
    return json_response({"ContainersDeleted": [c.id for c in doomed] or None, "SpaceReclaimed": freed})
