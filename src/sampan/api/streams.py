# SPDX-License-Identifier: Apache-2.0
"""Routes whose connection becomes a stream: attach, exec start; and logs.

Source: Engine API v1.51, ContainerAttach, ExecStart, ContainerLogs.
"""

from __future__ import annotations

import os

import msgspec
from aiohttp import web

from sampan.api import query
from sampan.api.answers import described, json_response, open_stream
from sampan.api.bodies import decode_body
from sampan.api.containers import find
from sampan.api.hijack import MULTIPLEXED_STREAM, RAW_STREAM, Hijacked, hijack
from sampan.api.keys import ENGINE
from sampan.api.versions import parse_version
from sampan.engine.execs import Exec, Execs, check_detach_keys
from sampan.engine.log_options import format_details
from sampan.engine.logs import LogRequest
from sampan.engine.model import Attachment
from sampan.errors import InvalidArgument, SampanError
from sampan.schema.container import ExecCreate, ExecStart

routes = web.RouteTableDef()

MULTIPLEXED_SINCE = (1, 42)


def media_type(request: web.Request, *, tty: bool) -> str:
    """Raw with a tty; without one the multiplexed type, which clients know since 1.42."""
    version = parse_version(request["version"])
    return RAW_STREAM if tty or version < MULTIPLEXED_SINCE else MULTIPLEXED_STREAM


@routes.post("/containers/{id}/attach")
async def attach(request: web.Request) -> web.StreamResponse:
    """ContainerAttach: before or after the start; `logs=1` first replays what was written."""
    container = find(request)
    engine = request.app[ENGINE]
    wanted = {
        name: query.flag(request.query, name) for name in ("stdin", "stdout", "stderr", "stream", "logs")
    }
    check_detach_keys(request.query.get("detachKeys", ""), "detach")
    engine.require_attachable(container)
    fd, initial = hijack(request, media_type=media_type(request, tty=container.config.tty))
    try:
        if wanted["logs"]:
            await engine.replay_logs(container, fd, stdout=wanted["stdout"], stderr=wanted["stderr"])
        if wanted["stream"]:
            attachment = Attachment(
                os.dup(fd),
                stdin=wanted["stdin"] and container.config.open_stdin,
                stdout=wanted["stdout"],
                stderr=wanted["stderr"],
                multiplexed=not container.config.tty,
                detach_keys=request.query.get("detachKeys", ""),
                initial=initial,
            )
            await engine.attach(container, attachment)
    finally:
        os.close(fd)
    return Hijacked()


@routes.get("/containers/{id}/logs")
async def logs(request: web.Request) -> web.StreamResponse:
    """ContainerLogs: framed without a tty, raw with one."""
    container = find(request)
    engine = request.app[ENGINE]
    wanted = LogRequest(
        stdout=query.flag(request.query, "stdout"),
        stderr=query.flag(request.query, "stderr"),
        follow=query.flag(request.query, "follow"),
        timestamps=query.flag(request.query, "timestamps"),
        tail=_tail(request.query.get("tail", "all")),
        since_ns=_moment(request.query.get("since", "")),
        until_ns=_moment(request.query.get("until", "")),
        framed=not container.config.tty,
        details=format_details(container) if query.flag(request.query, "details") else None,
    )
    if not wanted.stdout and not wanted.stderr:
        raise InvalidArgument("Bad parameters: you must choose at least one stream")
    async with engine.logs.open(container, wanted) as chunks:
        response = await open_stream(request, media_type(request, tty=container.config.tty))
        async for chunk in chunks:
            await response.write(chunk)
    await response.write_eof()
    return response


def _tail(text: str) -> int | None:
    if text in ("", "all"):
        return None
    return int(text) if text.isdigit() else None


def _moment(text: str) -> int:
    return query.timestamp_ns(text) if text and text != "0" else 0


@routes.post("/containers/{id}/exec")
async def create_exec(request: web.Request) -> web.Response:
    """ContainerExec."""
    create = decode_body(await request.read(), ExecCreate)
    exec_id = request.app[ENGINE].execs.create(find(request), create)
    return json_response({"Id": exec_id}, status=201)


@routes.post("/exec/{id}/start")
async def start_exec(request: web.Request) -> web.StreamResponse:
    """ExecStart: detached it answers when the program runs, else the connection becomes its stream."""
    execs = request.app[ENGINE].execs
    process = execs.find(request.match_info["id"])
    body = await request.read()
    options = msgspec.json.decode(body, type=ExecStart) if body else ExecStart()
    if options.detach or not process.started:
        execs.require_startable(process)
    if options.detach:
        work = execs.start(process, None)
        await request.app[ENGINE].background.complete(work, name=f"start of exec {process.id[:12]}")
        return web.Response(status=200)
    attachment = _take_connection(request, process)
    work = _start_attached(execs, process, attachment, options)
    await request.app[ENGINE].background.complete(work, name=f"start of exec {process.id[:12]}")
    return Hijacked()


def _take_connection(request: web.Request, process: Exec) -> Attachment:
    create = process.create
    fd, initial = hijack(request, media_type=media_type(request, tty=create.tty))
    return Attachment(
        fd,
        stdin=create.attach_stdin,
        stdout=create.attach_stdout,
        stderr=create.attach_stderr,
        multiplexed=not create.tty,
        detach_keys=create.detach_keys,
        initial=initial,
    )


async def _start_attached(execs: Execs, process: Exec, attachment: Attachment, options: ExecStart) -> None:
    """Give the client's connection to the program, or tell on it why there is none; ours is closed."""
    try:
        execs.require_startable(process)
        await execs.start(process, attachment, console_size=options.console_size)
    except SampanError as error:
        execs.report_failure(process, attachment.fd, error)
    finally:
        os.close(attachment.fd)


@routes.get("/exec/{id}/json")
async def inspect_exec(request: web.Request) -> web.Response:
    """ExecInspect."""
    execs = request.app[ENGINE].execs
    return described(request, "exec", execs.inspect(execs.find(request.match_info["id"])))


@routes.post("/exec/{id}/resize")
async def resize_exec(request: web.Request) -> web.Response:
    """ExecResize."""
    execs = request.app[ENGINE].execs
    process = execs.find(request.match_info["id"])
    await execs.resize(process, *query.console_size(request.query))
    return web.Response(status=200)
