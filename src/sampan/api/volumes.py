# SPDX-License-Identifier: Apache-2.0
"""Routes below /volumes.

Source: Engine API v1.51, "Volume".
"""

from __future__ import annotations

import asyncio
import shutil
from typing import Any

from aiohttp import web

from sampan.api import query
from sampan.api.answers import described, json_response, no_content
from sampan.api.bodies import decode_body
from sampan.api.container_filters import has_label
from sampan.api.history import as_of
from sampan.api.keys import ENGINE
from sampan.api.older_requests import is_before
from sampan.api.unsupported import NO_MANAGER
from sampan.errors import Conflict, InvalidArgument, NotFound, Unavailable
from sampan.schema.container import Shape

routes = web.RouteTableDef()


class VolumeCreate(Shape):
    """The body of `POST /volumes/create`."""

    name: str = ""
    driver: str = "local"
    driver_opts: dict[str, str] | None = None
    labels: dict[str, str] | None = None
    cluster_volume_spec: dict[str, Any] | None = None


@routes.get("/volumes")
async def list_volumes(request: web.Request) -> web.Response:
    """VolumeList."""
    engine = request.app[ENGINE]
    wanted = query.filters(request.query, frozenset({"dangling", "driver", "label", "name"}))
    volumes = [
        v for v in engine.volumes.describe_all() if _matches(v, wanted, engine.containers.users_of_volume)
    ]
    shown = [as_of(request["version"], "volume", volume) for volume in volumes]
    return json_response({"Volumes": shown, "Warnings": None})


def _matches(volume: dict[str, Any], wanted: dict[str, list[str]], users: Any) -> bool:
    labels = volume["Labels"] or {}
    if "dangling" in wanted:
        want_dangling = wanted["dangling"][0] in ("true", "1")
        if not want_dangling and wanted["dangling"][0] not in ("false", "0"):
            raise InvalidArgument(f"invalid filter 'dangling=[{wanted['dangling'][0]}]'")
        if want_dangling == bool(users(volume["Name"])):
            return False
    return (
        all(has_label(labels, value) for value in wanted.get("label", ()))
        and ("name" not in wanted or any(value in volume["Name"] for value in wanted["name"]))
        and ("driver" not in wanted or volume["Driver"] in wanted["driver"])
    )


@routes.post("/volumes/create")
async def create_volume(request: web.Request) -> web.Response:
    """VolumeCreate."""
    create = decode_body(await request.read() or b"{}", VolumeCreate)
    if create.cluster_volume_spec is not None:
        raise Unavailable(NO_MANAGER)
    volume = request.app[ENGINE].volumes.create(
        create.name, labels=create.labels, options=create.driver_opts, driver=create.driver
    )
    return described(request, "volume", volume, status=201)


@routes.get("/volumes/{name}")
async def inspect_volume(request: web.Request) -> web.Response:
    """VolumeInspect."""
    return described(request, "volume", request.app[ENGINE].volumes.inspect(request.match_info["name"]))


@routes.delete("/volumes/{name}")
async def remove_volume(request: web.Request) -> web.Response:
    """VolumeDelete."""
    engine = request.app[ENGINE]
    name = request.match_info["name"]
    users = engine.containers.users_of_volume(name)
    if users:
        raise Conflict(f"remove {name}: volume is in use - [{', '.join(users)}]")
    try:
        engine.trash.folders([engine.volumes.forget(name)])
    except NotFound:
        if not query.flag(request.query, "force"):
            raise
    return no_content()


@routes.post("/volumes/prune")
async def prune_volumes(request: web.Request) -> web.Response:
    """VolumePrune: anonymous ones nobody uses; named ones too with `all=true`."""
    engine = request.app[ENGINE]
    wanted = query.filters(request.query, frozenset({"all", "label", "label!"}))
    everything = is_before(request["version"], "1.42") or _wants_all(wanted.get("all", ["false"])[0])
    doomed = [
        volume["Name"]
        for volume in engine.volumes.describe_all()
        if not engine.containers.users_of_volume(volume["Name"])
        and not engine.volumes.has_options(volume["Name"])
        and (everything or engine.volumes.is_anonymous(volume["Name"]))
        and all(has_label(volume["Labels"] or {}, value) for value in wanted.get("label", ()))
        and not any(has_label(volume["Labels"] or {}, value) for value in wanted.get("label!", ()))
    ]
    paths = [path for path in map(engine.volumes.forget, doomed) if path]
    freed = await asyncio.to_thread(_delete, paths)
    engine.events.publish("volume", "prune", "", {"reclaimed": str(freed)})
    return json_response({"VolumesDeleted": doomed, "SpaceReclaimed": freed})


def _wants_all(text: str) -> bool:
    if text.lower() not in ("1", "t", "true", "0", "f", "false"):
        raise InvalidArgument(f"invalid filter 'all': strconv.ParseBool: parsing \"{text}\": invalid syntax")
    return text.lower() in ("1", "t", "true")


def _delete(paths: list[str]) -> int:
    from sampan.engine.usage import tree_size

    freed = sum(map(tree_size, paths))
    for path in paths:
        shutil.rmtree(path, ignore_errors=True)
    return freed


@routes.put("/volumes/{name}")
async def update_volume(_: web.Request) -> web.Response:
    """VolumeUpdate: only cluster volumes can be changed, and they need Swarm."""
    raise Unavailable(NO_MANAGER)
