# SPDX-License-Identifier: Apache-2.0
"""`POST /build?version=2`: a build whose files come by a session, as docker 18.09 to 20.10 asks for it.

Source: moby's builder-next. The answer is JSON lines: BuildKit's progress as `moby.buildkit.trace` (a StatusResponse
in base64), the image's id at the end as `moby.image.id`. A context from the client's standard input comes as the body
of a request of its own, whose build id begins with ``upload-request:``.
"""

from __future__ import annotations

import asyncio
import secrets
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import msgspec
from aiohttp import web

from sampan.api import query
from sampan.api.answers import JsonLines, error_line
from sampan.api.keys import ENGINE
from sampan.api.piping import BodyReader
from sampan.build.ulimits import format_ulimits
from sampan.buildkit.attributes import FRONTEND
from sampan.buildkit.builds import Builds
from sampan.buildkit.messages.control import Exporter, SolveRequest
from sampan.buildkit.protobuf import encode_message
from sampan.errors import InvalidArgument, SampanError

UPLOAD_PREFIX = "upload-request:"
UPLOAD = "upload-request"
SESSION = "client-session"


class _Output(msgspec.Struct, rename="pascal"):
    """One of the query's `outputs`."""

    type: str = "moby"
    attrs: dict[str, str] | None = None


async def build_in_session(request: web.Request, named: dict[str, Any]) -> web.StreamResponse:
    """ImageBuild with a session; `named` has the query's parameters as the builder has them."""
    engine = request.app[ENGINE]
    builds = engine.buildkit.builds
    build_id = request.query.get("buildid", "")
    if build_id.startswith(UPLOAD_PREFIX):
        async with BodyReader.open(request) as body, engine.builder.context_of(body) as folder:
            await builds.uploads.offer(build_id.removeprefix(UPLOAD_PREFIX), folder)
        return web.Response()
    wanted = plan_solve(request, named, build_id or secrets.token_hex(12))
    remote = request.query.get("remote", "")
    folder = await builds.uploads.take(build_id) if remote == UPLOAD else ""
    if remote not in ("", UPLOAD, SESSION):
        wanted.frontend_attrs["context"] = remote
    return await _stream(request, builds, wanted, folder)


def plan_solve(request: web.Request, named: dict[str, Any], ref: str) -> SolveRequest:
    """The query as BuildKit's request."""
    return SolveRequest(
        ref=ref,
        session=request.query.get("session", ""),
        frontend=FRONTEND,
        frontend_attrs=dict(_attributes(named)),
        exporters=_exporters(request.query.get("outputs", ""), named["tags"]),
    )


def _attributes(named: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The frontend's options of the builder's parameters."""
    yield "filename", named["dockerfile"]
    for name, key in (("target", "target"), ("platform", "platform")):
        if named[key]:
            yield name, named[key]
    for kind, key in (("build-arg:", "build_args"), ("label:", "labels")):
        yield from ((kind + name, value) for name, value in named[key].items() if value is not None)
    if named["no_cache"]:
        yield "no-cache", ""
    if named["pull"]:
        yield "image-resolve-mode", "pull"
    if named["network"] != "default":
        yield "force-network-mode", named["network"]
    if named["extra_hosts"]:
        yield "add-hosts", ",".join(word.replace(":", "=", 1) for word in named["extra_hosts"])
    if named["shm_size_bytes"]:
        yield "shm-size", str(named["shm_size_bytes"])
    if ulimits := format_ulimits(named["limits"]):
        yield "ulimit", ulimits
    if named["limits"].cgroup_parent:
        yield "cgroup-parent", named["limits"].cgroup_parent


def _exporters(outputs: str, tags: tuple[str, ...]) -> list[Exporter]:
    try:
        found = msgspec.json.decode(outputs, type=list[_Output]) if outputs else []
    except msgspec.MsgspecError as error:
        raise InvalidArgument(f"outputs: {error}") from None
    exporters = [Exporter(one.type or "moby", dict(one.attrs or {})) for one in found] or [Exporter("moby")]
    for exporter in exporters:
        if tags and exporter.type not in ("local", "tar"):
            exporter.attrs.setdefault("name", ",".join(tags))
    return exporters


async def _stream(
    request: web.Request, builds: Builds, wanted: SolveRequest, folder: str
) -> web.StreamResponse:
    lines = await JsonLines.open(request)
    building = asyncio.ensure_future(builds.run(wanted, folder=folder))
    try:
        async for response in builds.follow(wanted.ref, building):
            trace = b64encode(encode_message(response)).decode()
            await lines.write({"id": "moby.buildkit.trace", "aux": trace})
        record = await building
    except SampanError as error:
        await lines.write(error_line(error))
        return await lines.close()
    finally:
        building.cancel()
        await asyncio.wait([building])
    image_id = record.response.get("containerimage.config.digest", "")
    if image_id:
        await lines.write({"id": "moby.image.id", "aux": {"ID": image_id}})
        if query.flag(request.query, "q"):
            await lines.write({"stream": image_id + "\n"})
    return await lines.close()
