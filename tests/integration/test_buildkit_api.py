# SPDX-License-Identifier: Apache-2.0
"""BuildKit's API without Docker's clients: what a client may get wrong, and what one may try that lies."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from integration.engine_process import EngineProcess, wait_until
from sampan.buildkit.http2 import Http2
from sampan.buildkit.messages import control, files, gateway
from sampan.buildkit.messages.control import Exporter, SolveRequest
from sampan.buildkit.messages.files import Packet, Stat
from sampan.buildkit.messages.session import GET_SECRET, SYNC_FILES, GetSecretResponse
from sampan.buildkit.protobuf import Message, decode_message
from sampan.buildkit.rpc import Call, ServerCall, call_unary, open_call, open_connection, serve
from sampan.errors import InvalidArgument, NotFound, SampanError, Unsupported

CONTROL = "/moby.buildkit.v1.Control"
BRIDGE = "/moby.buildkit.v1.frontend.LLBBridge"
END = Packet(files.STAT)


def upgrade(
    engine: EngineProcess, path: str, *headers: str, protocol: str = "h2c"
) -> tuple[socket.socket, bytes]:
    """Ask for HTTP/2; the socket, and the head of the answer."""
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(10)
    sock.connect(str(engine.socket))
    lines = [f"POST {path} HTTP/1.1", "Host: x", "Connection: Upgrade", f"Upgrade: {protocol}", *headers]
    sock.sendall("\r\n".join([*lines, "", ""]).encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = sock.recv(1)
        if not byte:
            break
        head += byte
    return sock, head


@contextlib.asynccontextmanager
async def controlled(engine: EngineProcess) -> AsyncIterator[Http2]:
    sock, head = await asyncio.to_thread(upgrade, engine, "/grpc")
    assert head.startswith(b"HTTP/1.1 101 ")
    async with open_connection(sock, b"", Http2()) as connection:
        yield connection


@contextlib.asynccontextmanager
async def session(engine: EngineProcess, methods: dict[str, Call]) -> AsyncIterator[str]:
    """A client's session with these methods; its id."""
    name = secrets.token_hex(8)
    headers = [f"X-Docker-Expose-Session-Uuid: {name}"]
    headers += [f"X-Docker-Expose-Session-Grpc-Method: {method}" for method in methods]
    sock, head = await asyncio.to_thread(upgrade, engine, "/session", *headers)
    assert head.startswith(b"HTTP/1.1 101 ")
    serving = asyncio.ensure_future(serve(sock, b"", methods))
    try:
        yield name
    finally:
        serving.cancel()
        await asyncio.wait([serving])


def folders(**trees: dict[str, str | Stat]) -> Call:
    """A client's folders: texts of files, or what is told of one instead."""

    async def sync(call: ServerCall) -> None:
        tree = trees.get(call.metadata["dir-name"], {})
        for name, value in tree.items():
            told = value if isinstance(value, Stat) else Stat(name, 0o644, size=len(value))
            await call.send(Packet(files.STAT, told))
        await call.send(END)
        texts = list(tree.values())
        while (data := await call.stream.receive()) is not None:
            packet = decode_message(Packet, data)
            if packet.type == files.FINISH:
                await call.send(Packet(files.FINISH))
                return
            text = texts[packet.id]
            assert isinstance(text, str)
            await call.send(Packet(files.DATA, id=packet.id, data=text.encode()))
            await call.send(Packet(files.DATA, id=packet.id))

    return sync


async def solve(connection: Http2, session_id: str, **fields: object) -> control.SolveResponse:
    request = SolveRequest(
        **{"ref": secrets.token_hex(8), "session": session_id, "frontend": "dockerfile.v0"} | fields  # type: ignore[arg-type]
    )
    return await call_unary(connection, f"{CONTROL}/Solve", request, control.SolveResponse)


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        await asyncio.wait_for(work(), 30)

    asyncio.run(limited())


def test_only_an_upgrade_to_http2_is_served(engine: EngineProcess) -> None:
    for path, protocol in (("/grpc", "websocket"), ("/session", "h2c"), ("/v1.51/session", "tcp")):
        sock, head = upgrade(engine, path, protocol=protocol)
        with sock:
            assert head.startswith(b"HTTP/1.1 400 ")


def test_bytes_that_are_no_http2_end_the_connection(engine: EngineProcess) -> None:
    for path, headers in (("/grpc", []), ("/session", ["X-Docker-Expose-Session-Uuid: x"])):
        for data in (
            b"GET / HTTP/1.1\r\n\r\n",
            os.urandom(500),
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 50,
        ):
            sock, head = upgrade(engine, path, *headers)
            with sock, contextlib.suppress(ConnectionError):
                assert head.startswith(b"HTTP/1.1 101 ")
                sock.sendall(data)
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(1 << 16):
                    pass
    assert engine.out("version")


def test_who_we_are(engine: EngineProcess) -> None:
    async def work() -> None:
        async with controlled(engine) as connection:
            info = await call_unary(
                connection, f"{CONTROL}/Info", control.InfoRequest(), control.InfoResponse
            )
            assert info.version is not None
            assert info.version.package == "sampan"
            request = control.ListWorkersRequest()
            workers = await call_unary(
                connection, f"{CONTROL}/ListWorkers", request, control.ListWorkersResponse
            )
            assert [platform.os for platform in workers.record[0].platforms] == ["linux"]
            with pytest.raises(Unsupported, match="Control/Session is not supported"):
                await call_unary(
                    connection, f"{CONTROL}/Session", control.BytesMessage(), control.BytesMessage
                )

    run(work)


def test_a_build_without_a_gateway_and_looking_into_one(engine: EngineProcess) -> None:
    text = "FROM busybox\nRUN --mount=type=secret,id=s cp /run/secrets/s /copy && mkdir /d && touch /d/x\n"

    async def secret(call: ServerCall) -> None:
        await call.stream.receive()
        await call.send(GetSecretResponse(b"hush"))

    async def work() -> None:
        methods = {SYNC_FILES: folders(dockerfile={"Dockerfile": text}), GET_SECRET: secret}
        async with controlled(engine) as connection, session(engine, methods) as name:
            answer = await solve(connection, name, exporters=[Exporter("moby", {"name": "raw:1"})])
            assert answer.exporter_response["image.name"] == "docker.io/library/raw:1"
            assert engine.out("run", "--rm", "raw:1", "cat", "/copy") == "hush"
            await look_into_a_result(connection, name)

    run(work)
    engine.sampan("rmi", "-f", "raw:1")


async def look_into_a_result(connection: Http2, session_id: str) -> None:
    ref = secrets.token_hex(8)
    solving = asyncio.ensure_future(solve(connection, session_id, ref=ref, frontend=""))

    async def ask(method: str, request: Message, response: type[Message]) -> Message:
        metadata = [("buildkit-controlapi-buildid", ref)]
        async with open_call(connection, f"{BRIDGE}/{method}", response, metadata) as call:
            await call.send(request)
            await call.stream.end()
            answer = await call.receive()
            assert answer is not None
            return answer

    request = gateway.SolveRequest(frontend="dockerfile.v0", allow_result_return=True)
    solved = await ask("Solve", request, gateway.SolveResponse)
    assert isinstance(solved, gateway.SolveResponse)
    assert solved.result is not None
    assert solved.result.ref is not None
    built = solved.result.ref.id
    read = await ask("ReadFile", gateway.ReadFileRequest(built, "/copy"), gateway.ReadFileResponse)
    assert read == gateway.ReadFileResponse(b"hush")
    listed = await ask("ReadDir", gateway.ReadDirRequest(built, "/d"), gateway.ReadDirResponse)
    assert isinstance(listed, gateway.ReadDirResponse)
    assert [entry.path for entry in listed.entries] == ["x"]
    found = await ask("StatFile", gateway.StatFileRequest(built, "bin/sh"), gateway.StatFileResponse)
    assert isinstance(found, gateway.StatFileResponse)
    assert found.stat is not None
    assert found.stat.mode & files.GO_SYMLINK
    with pytest.raises(NotFound):
        await ask("ReadFile", gateway.ReadFileRequest(built, "/../../nothing"), gateway.ReadFileResponse)
    with pytest.raises(NotFound, match="no such result"):
        await ask("ReadFile", gateway.ReadFileRequest("other", "/copy"), gateway.ReadFileResponse)
    await ask("Return", gateway.ReturnRequest(gateway.Result(ref=gateway.Ref(built))), gateway.Empty)
    assert (await solving).exporter_response == {}


def test_what_is_refused(engine: EngineProcess) -> None:
    async def work() -> None:
        methods = {SYNC_FILES: folders(dockerfile={"Dockerfile": "FROM busybox\n"})}
        async with controlled(engine) as connection, session(engine, methods) as name:
            for fields, words in (
                ({"definition": b"x"}, "build graph"),
                ({"inputs": {"context": b""}}, "build graph"),
                ({"frontend": "gateway.v0"}, "frontend gateway.v0"),
                ({"exporters": [Exporter("nonsense")]}, "type=nonsense"),
                ({"exporters": [Exporter("tar")]}, "does not answer"),
            ):
                with pytest.raises(Unsupported, match=words):
                    await solve(connection, name, **fields)
            with pytest.raises(InvalidArgument, match="no ref"):
                await solve(connection, name, ref="")
            empty = control.UpdateBuildHistoryRequest("nothing", delete=True)
            path = f"{CONTROL}/UpdateBuildHistory"
            with pytest.raises(NotFound, match="no such build"):
                await call_unary(connection, path, empty, control.UpdateBuildHistoryResponse)

    run(work)


@pytest.mark.parametrize(
    ("dockerfile", "words"),
    [
        (
            {"Dockerfile": Stat("Dockerfile", files.GO_SYMLINK | 0o777, linkname="/etc/passwd")},
            "no such file",
        ),
        ({"Dockerfile": Stat("Dockerfile", files.GO_FIFO | 0o644)}, "not a regular file"),
        ({"x": Stat("../../x", 0o644)}, "no name for a file"),
        ({"x": Stat("x", files.GO_IRREGULAR)}, "unknown kind"),
    ],
)
def test_a_client_that_lies_learns_nothing(
    engine: EngineProcess, dockerfile: dict[str, str | Stat], words: str
) -> None:
    async def work() -> None:
        methods = {SYNC_FILES: folders(dockerfile=dockerfile)}
        async with controlled(engine) as connection, session(engine, methods) as name:
            with pytest.raises(SampanError, match=words) as refused:
                await solve(connection, name)
            assert "root:" not in str(refused.value)
            with pytest.raises(SampanError):
                await solve(connection, name, frontend_attrs={"filename": "/../../etc/passwd"})

    run(work)


def test_a_session_that_ends_ends_its_build(engine: EngineProcess) -> None:
    text = "FROM busybox\nRUN sleep 1000\n"

    async def work() -> None:
        async with controlled(engine) as connection:
            async with session(engine, {SYNC_FILES: folders(dockerfile={"Dockerfile": text})}) as name:
                solving = asyncio.ensure_future(solve(connection, name))
                await asyncio.to_thread(wait_until, lambda: _steps(engine), "the step runs")
            with pytest.raises(SampanError, match="gone"):
                await solving
        await asyncio.to_thread(wait_until, lambda: not _steps(engine), "the step is gone")

    run(work)


def _steps(engine: EngineProcess) -> list[str]:
    return os.listdir(engine.run / "containers")
