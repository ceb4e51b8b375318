# SPDX-License-Identifier: Apache-2.0
"""Routes below /images: list, inspect, tag, remove, and whole images in and out as archives.

Source: Engine API v1.51, "Image".
"""

from __future__ import annotations

import asyncio
from functools import partial

from aiohttp import web

from sampan.api import query
from sampan.api.answers import JsonLines, described, error_line, json_response, open_stream
from sampan.api.history import as_of
from sampan.api.image_events import ids_by_name, tell, tell_removed
from sampan.api.image_filters import ALLOWED_FILTERS, keep_names, plan_filter
from sampan.api.importing import import_image
from sampan.api.keys import ENGINE
from sampan.api.older_requests import is_before
from sampan.api.piping import BodyReader, stream_thread
from sampan.api.sharing import pull_image
from sampan.engine.threads import start_thread
from sampan.errors import InvalidArgument, SampanError
from sampan.image.store import Image
from sampan.oci.platform import Platform
from sampan.oci.reference import parse_reference

routes = web.RouteTableDef()

TAR = "application/x-tar"
# docker-compose 1 negotiates the newest version and still reads a field that went in 1.45 (`ContainerConfig`);
# without it, it cannot make a changed service anew, which is its best-known failure with new Docker engines.
COMPOSE_V1 = "docker-compose/1."
LAST_WITH_CONTAINER_CONFIG = "1.44"


def find(request: web.Request, platform: Platform | None = None) -> Image:
    """The image that the path names."""
    return request.app[ENGINE].images.resolve(request.match_info["name"], platform)


@routes.get("/images/json")
async def list_images(request: web.Request) -> web.Response:
    """ImageList."""
    engine = request.app[ENGINE]
    wanted = query.filters(request.query, ALLOWED_FILTERS)
    version = request["version"]
    if request.query.get("filter") and is_before(version, "1.41"):
        wanted.setdefault("reference", []).append(request.query["filter"])
    keep = plan_filter(wanted, engine)
    shared_sizes = query.flag(request.query, "shared-size") and not is_before(version, "1.42")
    summaries = [
        keep_names(summary, wanted.get("reference", ()))
        | {"Containers": len(engine.containers.users_of_image(summary["Id"]))}
        for summary in engine.images.summaries(keep, shared_sizes=shared_sizes)
    ]
    if query.flag(request.query, "manifests") and not is_before(version, "1.47"):
        for summary in summaries:
            summary["Manifests"] = engine.images.manifests(summary["Id"], engine.containers.users_of_image)
    listed = (as_of(version, "image listing", summary) for summary in summaries)
    return json_response([as_of(version, "image summary", summary) for summary in listed])


@routes.get("/images/get")
async def save_images(request: web.Request) -> web.StreamResponse:
    """ImageGetAll."""
    return await _save(request, request.query.getall("names", []))


@routes.get("/images/{name:.+}/get")
async def save_image(request: web.Request) -> web.StreamResponse:
    """ImageGet."""
    return await _save(request, [request.match_info["name"]])


async def _save(request: web.Request, names: list[str]) -> web.StreamResponse:
    engine = request.app[ENGINE]
    wanted = [name for joined in names for name in joined.split(",") if name]
    if not wanted:
        raise InvalidArgument("at least one image name is needed")
    platform = query.platform(request.query)
    images = [engine.images.resolve(name, platform) for name in wanted]
    originals = query.flag(request.query, "sampan.originals")
    response = await open_stream(request, TAR)
    await stream_thread(
        response, lambda out: engine.images.save(wanted, out, platform=platform, originals=originals)
    )
    for image in images:
        tell(engine.events, "save", image)
    await response.write_eof()
    return response


@routes.get("/images/{name:.+}/json")
async def inspect_image(request: web.Request) -> web.Response:
    """ImageInspect."""
    inspected = request.app[ENGINE].images.inspect(find(request, query.platform(request.query)))
    if request.headers.get("User-Agent", "").startswith(COMPOSE_V1):
        inspected = as_of(LAST_WITH_CONTAINER_CONFIG, "image", inspected)
    return described(request, "image", inspected)


@routes.get("/images/{name:.+}/history")
async def image_history(request: web.Request) -> web.Response:
    """ImageHistory."""
    image = find(request, query.platform(request.query))
    return json_response(request.app[ENGINE].images.history(image))


@routes.post("/images/{name:.+}/tag")
async def tag_image(request: web.Request) -> web.Response:
    """ImageTag."""
    engine = request.app[ENGINE]
    image = find(request)
    repository, tag = request.query.get("repo", ""), request.query.get("tag", "")
    reference = f"{repository}:{tag}" if tag else repository
    engine.images.tag(image, reference, source=request.match_info["name"])
    tell(engine.events, "tag", image, parse_reference(reference).familiar())
    return web.Response(status=201)


@routes.delete("/images/{name:.+}")
async def remove_image(request: web.Request) -> web.Response:
    """ImageDelete."""
    engine = request.app[ENGINE]
    name = request.match_info["name"]
    force, in_use = query.flag(request.query, "force"), engine.containers.users_of_image
    removed, named = [], ids_by_name(engine.images)
    for text in request.query.getall("platforms", []):
        platform = query.platform({"platform": text})
        assert platform is not None
        remove = engine.images.remove_platform
        removed += await asyncio.to_thread(remove, name, platform, force=force, in_use=in_use)
    if "platforms" not in request.query:
        removed = await asyncio.to_thread(engine.images.remove, name, force=force, in_use=in_use)
    tell_removed(engine.events, removed, named)
    return json_response(removed)


@routes.post("/images/prune")
async def prune_images(request: web.Request) -> web.Response:
    """ImagePrune: those without a name, or with `dangling=false` all that no container uses."""
    engine = request.app[ENGINE]
    wanted = query.filters(request.query, frozenset({"dangling", "until", "label", "label!"}))
    dangling = wanted.pop("dangling", ["true"])[0]
    if dangling not in ("true", "1", "false", "0"):
        raise InvalidArgument(f"invalid filter 'dangling=[{dangling}]'")
    dangling_only = dangling in ("true", "1")
    keep = plan_filter(wanted, engine)
    named = ids_by_name(engine.images)
    removed, freed = await asyncio.to_thread(
        engine.images.prune, keep, dangling_only=dangling_only, in_use=engine.containers.users_of_image
    )
    tell_removed(engine.events, removed, named)
    engine.events.publish("image", "prune", "", {"reclaimed": str(freed)})
    return json_response({"ImagesDeleted": removed or None, "SpaceReclaimed": freed})


@routes.post("/images/load")
async def load_images(request: web.Request) -> web.StreamResponse:
    """ImageLoad: an archive of docker save or an OCI layout, as it streams in."""
    engine = request.app[ENGINE]
    lines = await JsonLines.open(request)
    try:
        async with BodyReader.open(request) as body:
            load = partial(engine.images.load, body, platform=query.platform(request.query))
            loaded = await asyncio.wrap_future(start_thread(load, name="load"))
    except SampanError as error:
        await lines.write(error_line(error))
        return await lines.close()
    for image, references in loaded:
        tell(engine.events, "load", image)
        for reference in references:
            await lines.write({"stream": f"Loaded image: {reference}\n"})
        if not references:
            await lines.write({"stream": f"Loaded image ID: {image.id}\n"})
    return await lines.close()


@routes.post("/images/create")
async def create_image(request: web.Request) -> web.StreamResponse:
    """ImageCreate: a pull from a registry, or an import of a root filesystem."""
    if request.query.get("fromSrc"):
        return await import_image(request)
    if not request.query.get("fromImage"):
        raise InvalidArgument("either fromImage or fromSrc is needed")
    return await pull_image(request)
