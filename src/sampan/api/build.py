# SPDX-License-Identifier: Apache-2.0
"""Building: `POST /build` with a context in its body or, for clients on this machine, read in place.

Source: Engine API v1.51, ImageBuild. The answer is a stream of JSON lines as Docker's classic builder
writes it; a client that asks for `sampan.progress` gets the builder's own events instead of the classic
text.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import os
import socket
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web
from multidict import MultiMapping

from sampan.api import query
from sampan.api.answers import JsonLines, error_line, json_response
from sampan.api.classic_progress import ClassicProgress
from sampan.api.keys import ENGINE
from sampan.api.piping import BodyReader
from sampan.build.arguments import proxy_environment
from sampan.build.attestation.options import parse_attestations, parse_words
from sampan.build.caches.places import parse_export, parse_import
from sampan.build.caches.using import cache_transports
from sampan.build.calls import answer_call
from sampan.build.errors import BuildFailed, classic_words
from sampan.build.exports.options import ExportOptions, parse_options
from sampan.build.history.asked import describe_request
from sampan.build.history.entry import Asked, Output
from sampan.build.local_agents import LocalAgents
from sampan.build.outgoing import SendTo
from sampan.build.request import BuildRequest, BuildResult
from sampan.build.seams import GivenSecrets, StepLimits
from sampan.engine.sharing import credentials_in
from sampan.errors import Conflict, Internal, InvalidArgument, SampanError
from sampan.registry.credentials import Credentials, decode_config_header
from sampan.schema.container import Ulimit

if TYPE_CHECKING:
    from sampan.build.progress import Progress

routes = web.RouteTableDef()

SECRETS_HEADER = "X-Sampan-Secrets"


@routes.post("/build")
async def build(request: web.Request) -> web.StreamResponse:
    """ImageBuild."""
    engine = request.app[ENGINE]
    wanted = parse_build_query(request.query)
    if query.flag(request.query, "squash"):
        raise InvalidArgument("squash is only supported with experimental mode")
    if request.query.get("version") == "2":
        from sampan.api.session_build import build_in_session

        return await build_in_session(request, wanted)
    wanted["secrets"] = GivenSecrets(_decode_secrets(request.headers.get(SECRETS_HEADER, "")))
    accounts = decode_config_header(request.headers.get("X-Registry-Config", ""))
    wanted["images"] = engine.sharing.source(accounts)
    wanted["publisher"] = engine.sharing.publisher(credentials_in(accounts))
    wanted |= _caches(request, accounts)
    if agents := request.query.getall("sampan.ssh", []):
        require_same_user(request, "agent cannot be reached")
        wanted["agents"] = LocalAgents(dict(map(_named_context, agents)), engine.builder.workplace)
    place = request.query.get("sampan.context")
    if place is not None:
        require_same_user(request, "context cannot be read in place")
        _require_same_folder(place, request.query.get("sampan.context-id", ""))
        return await _answer(request, BuildRequest(context=place, **wanted))
    async with (
        BodyReader.open(request) as body,
        engine.builder.context_of(
            body,
            request.query.get("remote", ""),
            proxies=proxy_environment({key: value or "" for key, value in wanted["build_args"].items()}),
        ) as folder,
    ):
        wanted["dockerfile"] = wanted["dockerfile"].lstrip("/")
        return await _answer(request, BuildRequest(context=folder, **wanted))


def _caches(request: web.Request, accounts: dict[str, Credentials]) -> dict[str, Any]:
    """The caches of a build; those on this disk are for who may read and write it anyway.

    Names alone, which clients of the classic builder give, mean images that are here: so is what was built here.
    """
    values = request.query
    words = _json_list(values.get("cachefrom", ""), "cachefrom")
    own = query.flag(values, "sampan.progress")
    found = {
        "cache_from": tuple(parse_import(word) for word in words if own or "=" in word),
        "cache_to": tuple(parse_export(word) for word in values.getall("sampan.cache-to", [])),
    }
    if any(place.is_on_disk for places in found.values() for place in places):
        require_same_user(request, "build cache on this machine cannot be reached")
    if not any(found.values()):
        return {}
    return {**found, "transports": cache_transports(request.app[ENGINE].sharing.registries, accounts)}


async def _answer(request: web.Request, wanted: BuildRequest) -> web.StreamResponse:
    """Build, or answer the question that is asked instead."""
    method = request.query.get("sampan.call", "")
    if not method:
        return await _stream(request, wanted)
    answer = await answer_call(request.app[ENGINE].builder, wanted, method)
    return json_response({"text": answer.text, "value": answer.value, "code": answer.code})


async def _stream(request: web.Request, wanted: BuildRequest) -> web.StreamResponse:
    engine = request.app[ENGINE]
    lines = await JsonLines.open(request)
    events: asyncio.Queue[Any] = asyncio.Queue()

    async def send(number: int, data: bytes) -> None:
        await lines.write({"sampan": {"type": "output", "number": number, "data": data}})

    work = _recorded_build(request, wanted, events.put_nowait, send)
    building = engine.background.spawn(work, name="build")
    building.add_done_callback(lambda _: events.put_nowait(None))
    own = query.flag(request.query, "sampan.progress")
    classic = ClassicProgress(quiet=query.flag(request.query, "q"))
    try:
        while (event := await events.get()) is not None:
            for line in [{"sampan": event.to_json()}] if own else classic.lines(event):
                await lines.write(line)
        result = await building
    except SampanError as error:
        await lines.write(_failure_line(error, own=own))
        return await lines.close()
    except ConnectionError:
        raise
    except OSError as error:
        await lines.write(
            error_line(Internal(f"{error.filename or 'build'}: {error.strerror or error}".lower()))
        )
        return await lines.close()
    except Exception as error:  # noqa: BLE001 - logged by the task; the head has gone out
        await lines.write(error_line(Internal(f"{type(error).__name__}: {error}")))
        return await lines.close()
    finally:
        building.cancel()
    if own:
        await lines.write({"sampan": {"type": "result", "response": dict(result.response)}})
    if result.image_id:
        for line in classic.result_lines(result.image_id, wanted.tags, own=own):
            await lines.write(line)
    return await lines.close()


async def _recorded_build(
    request: web.Request,
    wanted: BuildRequest,
    progress: Callable[[Progress], None],
    send: SendTo,
) -> BuildResult:
    """A build that the history tells of."""
    builder = request.app[ENGINE].builder
    context = request.query.get("sampan.context") or request.query.get("remote", "")
    client = "sampan" if query.flag(request.query, "sampan.progress") else "classic"
    outputs = tuple(
        Output(output.kind, {"name": ",".join(map(str, output.names or wanted.tags))})
        for output in wanted.outputs
    )
    asked = Asked(describe_request(wanted, context), outputs)
    with builder.history.recorded(client, lambda: asked) as recording:

        def tell(event: Progress) -> None:
            recording.tell(event)
            progress(event)

        result = await builder.build(wanted, tell, send=send)
        recording.response = result.response
        return result


def _failure_line(error: SampanError, *, own: bool) -> dict[str, Any]:
    """The last line of a build that failed; its code is that of the program, as `docker build` exits with it."""
    if not isinstance(error, BuildFailed):
        return error_line(error)
    if not own:
        error.message = classic_words(error)
    return error_line(error, error.exit_code)


def parse_build_query(values: MultiMapping[str]) -> dict[str, Any]:
    """The parameters of a build but its context (pure)."""
    return {
        "dockerfile": values.get("sampan.dockerfile") or values.get("dockerfile") or "Dockerfile",
        "tags": tuple(tag for tag in values.getall("t", []) if tag),
        "build_args": _json_map(values.get("buildargs", ""), "buildargs"),
        "labels": _json_map(values.get("labels", ""), "labels"),
        "target": values.get("target", ""),
        "no_cache": query.flag(values, "nocache"),
        "pull": query.flag(values, "pull"),
        "network": values.get("networkmode", "") or "default",
        "platform": values.get("platform", ""),
        "extra_hosts": tuple(values.getall("extrahosts", [])),
        "shm_size_bytes": query.integer(values, "shmsize"),
        "limits": StepLimits(_ulimits(values.get("ulimits", "")), values.get("cgroupparent", "")),
        "host_ca": query.flag(values, "sampan.host-ca") if "sampan.host-ca" in values else None,
        "reproducible": values.get("sampan.reproducible", "") in ("yes", "check"),
        "repeats_steps": values.get("sampan.reproducible", "") == "check",
        "no_cache_stages": tuple(values.getall("sampan.no-cache-filter", [])),
        "attestations": parse_attestations(parse_words(values.getall("sampan.attest", []))),
        "remote": values.get("remote", ""),
        "revision": dict(_named_context(text) for text in values.getall("sampan.vcs", [])),
        "outputs": _outputs(values.get("sampan.output", "")),
        "named_contexts": dict(_named_context(text) for text in values.getall("sampan.named-context", [])),
    }


def _ulimits(text: str) -> tuple[tuple[str, int, int], ...]:
    try:
        found = msgspec.json.decode(text, type=list[Ulimit] | None) if text else ()
    except msgspec.MsgspecError as error:
        raise InvalidArgument(f"ulimits: {error}") from None
    return tuple((one.name, one.soft, one.hard) for one in found or ())


class _Output(msgspec.Struct):
    type: str
    attrs: dict[str, str] = {}


def _outputs(text: str) -> tuple[ExportOptions, ...]:
    """The outputs that are asked for; an image in the store if none is."""
    if not text:
        return (ExportOptions(),)
    try:
        found = msgspec.json.decode(text, type=list[_Output])
    except msgspec.MsgspecError as error:
        raise InvalidArgument(f"sampan.output: {error}") from None
    return tuple(parse_options(one.type, one.attrs) for one in found)


def _json_map(text: str, name: str) -> dict[str, str | None]:
    if not text:
        return {}
    try:
        return msgspec.json.decode(text, type=dict[str, str | None] | None) or {}
    except msgspec.MsgspecError as error:
        raise InvalidArgument(f"{name}: {error}") from None


def _json_list(text: str, name: str) -> list[str]:
    if not text:
        return []
    try:
        return msgspec.json.decode(text, type=list[str] | None) or []
    except msgspec.MsgspecError as error:
        raise InvalidArgument(f"{name}: {error}") from None


def _named_context(text: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not found or not name or not value:
        raise InvalidArgument(f"invalid build context {text}: expected NAME=VALUE")
    return name, value


def _decode_secrets(header: str) -> dict[str, bytes]:
    """Values are base64 inside base64 JSON: they may be binary, and headers may not."""
    if not header:
        return {}
    try:
        encoded = msgspec.json.decode(base64.b64decode(header, validate=True), type=dict[str, bytes])
    except (binascii.Error, msgspec.MsgspecError):
        raise InvalidArgument(f"{SECRETS_HEADER}: not the base64 form of a JSON object") from None
    return encoded


def require_same_user(request: web.Request, otherwise: str) -> None:
    """Reading a folder in place, or an agent, needs a client that the kernel says is root or this very user."""
    sock: socket.socket | None = request.transport.get_extra_info("socket") if request.transport else None
    if sock is None or sock.family != socket.AF_UNIX:
        raise Conflict(f"{otherwise}: the client is not on a unix socket")
    _, uid, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    if uid not in (0, os.geteuid()):
        raise Conflict(f"{otherwise}: the client is another user")


def _require_same_folder(path: str, identity: str) -> None:
    """The client may live in another mount namespace: the folder it means must be the one we see."""
    try:
        status = os.stat(path)
    except OSError as error:
        raise Conflict(f"context cannot be read in place: {path}: {error.strerror}") from None
    if identity and identity != f"{status.st_dev}:{status.st_ino}":
        raise Conflict(f"context cannot be read in place: {path} is another folder for the engine")


@routes.post("/build/cancel")
async def cancel_build(request: web.Request) -> web.Response:
    """BuildCancel of BuildKit's sessions: a build also ends with its client's connection here."""
    engine = request.app[ENGINE]
    if engine.has_buildkit:
        engine.buildkit.builds.cancel(request.query.get("id", ""))
    return web.Response(status=204)
