# SPDX-License-Identifier: Apache-2.0
"""Attaching by a WebSocket: streams as messages, logs before them, detach keys, clients that vanish."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import aiohttp
import docker
import pytest

from integration.engine_api import call
from integration.engine_process import EngineProcess, wait_until

ALL = "stream=1&stdin=1&stdout=1&stderr=1"
LIMIT_S = 20
Talk = Callable[[aiohttp.ClientWebSocketResponse], Awaitable[Any]]


def create(engine: EngineProcess, *cmd: str, **config: object) -> str:
    body = {"Image": "busybox", "Cmd": list(cmd), "OpenStdin": True, "StdinOnce": True, **config}
    return str(call(engine, "POST", "/containers/create", body)["Id"])


def start(engine: EngineProcess, container: str) -> None:
    call(engine, "POST", f"/containers/{container}/start")


def talk(
    engine: EngineProcess, container: str, conversation: Talk, query: str = ALL, version: str = "1.51"
) -> Any:
    """Hold a conversation on one WebSocket."""

    async def connect() -> Any:
        connector = aiohttp.UnixConnector(str(engine.socket))
        url = f"http://engine/v{version}/containers/{container}/attach/ws?{query}"
        async with (
            asyncio.timeout(LIMIT_S),
            aiohttp.ClientSession(connector=connector) as session,
            session.ws_connect(url) as socket,
        ):
            return await conversation(socket)

    return asyncio.run(connect())


async def everything(socket: aiohttp.ClientWebSocketResponse) -> list[aiohttp.WSMessage]:
    return [message async for message in socket]


def data(messages: list[aiohttp.WSMessage]) -> bytes:
    assert all(message.type is aiohttp.WSMsgType.BINARY for message in messages)
    return b"".join(message.data for message in messages)


def descriptors(engine: EngineProcess) -> int:
    assert engine.process is not None
    return len(os.listdir(f"/proc/{engine.process.pid}/fd"))


@pytest.mark.parametrize("tty", [False, True])
def test_a_program_is_talked_to_until_it_ends(engine: EngineProcess, tty: bool) -> None:
    container = create(engine, "sh", "-c", "read a; echo got $a; echo oops >&2; read b; echo end $b", Tty=tty)

    async def conversation(socket: aiohttp.ClientWebSocketResponse) -> bytes:
        await asyncio.to_thread(start, engine, container)
        await socket.send_bytes(b"one\n")
        seen = b""
        while b"oops" not in seen:
            seen += await socket.receive_bytes()
        await socket.send_str("two\n")
        return seen + data(await everything(socket))

    seen = talk(engine, container, conversation)
    for words in (b"got one", b"oops", b"end two"):
        assert words in seen
    assert b"\0\0\0" not in seen  # no frames


def test_a_running_program_is_joined_and_what_it_said_comes_first(engine: EngineProcess) -> None:
    container = create(engine, "sh", "-c", "echo before; read a; echo after $a")
    start(engine, container)
    wait_until(lambda: "before" in engine.out("logs", container), "the program speaks")

    async def conversation(socket: aiohttp.ClientWebSocketResponse) -> bytes:
        assert await socket.receive_bytes() == b"before\n"
        await socket.send_bytes(b"all\n")
        return data(await everything(socket))

    assert talk(engine, container, conversation, "logs=1&" + ALL) == b"after all\n"
    assert data(talk(engine, container, everything, "logs=1&stdout=1")) == b"before\nafter all\n"


def test_streams_are_chosen_since_1_42_and_messages_are_text_before_1_28(engine: EngineProcess) -> None:
    container = create(engine, "sh", "-c", "echo out; echo err >&2")
    start(engine, container)
    call(engine, "POST", f"/containers/{container}/wait")
    assert data(talk(engine, container, everything, "logs=1&stderr=1")) == b"err\n"
    assert data(talk(engine, container, everything, "logs=1&stderr=1", "1.41")) == b"out\nerr\n"
    messages = talk(engine, container, everything, "logs=1", "1.27")
    assert [message.type for message in messages] == [aiohttp.WSMsgType.TEXT] * len(messages)
    assert "".join(message.data for message in messages) == "out\nerr\n"


def test_detach_keys_end_the_socket_and_not_the_program(engine: EngineProcess) -> None:
    container = create(engine, "sleep", "100", Tty=True, StdinOnce=False)
    start(engine, container)

    async def conversation(socket: aiohttp.ClientWebSocketResponse) -> int | None:
        await socket.send_bytes(b"\x01x")
        async for _ in socket:
            pass
        return socket.close_code

    assert talk(engine, container, conversation, ALL + "&detachKeys=ctrl-a,x") == 1000
    assert call(engine, "GET", f"/containers/{container}/json")["State"]["Running"]


def test_the_end_of_the_client_is_the_end_of_stdin(engine: EngineProcess) -> None:
    container = create(engine, "sh", "-c", "wc -c; exec sleep 0.01")

    async def conversation(socket: aiohttp.ClientWebSocketResponse) -> None:
        await asyncio.to_thread(start, engine, container)
        for _ in range(20):
            await socket.send_bytes(b"x" * 50_000)

    talk(engine, container, conversation)
    call(engine, "POST", f"/containers/{container}/wait")
    assert engine.out("logs", container) == "1000000"


def test_refusals_are_http_errors(engine: EngineProcess) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        talk(engine, "nobody", everything)
    assert refused.value.status == 404
    container = create(engine, "sleep", "100")
    start(engine, container)
    call(engine, "POST", f"/containers/{container}/pause")
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        talk(engine, container, everything)
    assert refused.value.status == 409


@pytest.mark.parametrize("running", [True, False])
def test_clients_that_vanish_leave_nothing_behind(engine: EngineProcess, running: bool) -> None:
    container = create(engine, "sh", "-c", "while :; do echo line; sleep 0.01; done", StdinOnce=False)
    if running:
        start(engine, container)

    async def vanish(socket: aiohttp.ClientWebSocketResponse) -> None:
        await socket.send_bytes(b"x" * 1000)
        transport = socket.get_extra_info("socket")
        transport.shutdown(2)

    talk(engine, container, vanish)  # whatever is made once is made now
    before = descriptors(engine)
    for _ in range(10):
        talk(engine, container, vanish)
    wait_until(lambda: descriptors(engine) <= before, "the engine has closed what it had opened")


@pytest.fixture
def docker_py(engine: EngineProcess) -> Iterator[docker.APIClient]:
    client = docker.APIClient(f"unix://{engine.socket}", version="auto")
    yield client
    client.close()
    gc.collect()  # docker-py leaves the closing of some sockets to it


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_docker_py_and_the_plain_attach_share_a_program(
    engine: EngineProcess, docker_py: docker.APIClient
) -> None:
    container = create(engine, "sh", "-c", "read a; echo both $a")
    start(engine, container)
    plain = docker_py.attach_socket(container, {"stdin": 1, "stdout": 1, "stream": 1})

    async def conversation(socket: aiohttp.ClientWebSocketResponse) -> bytes:
        await socket.send_bytes(b"hear\n")
        return data(await everything(socket))

    assert talk(engine, container, conversation) == b"both hear\n"
    assert plain.read(100).endswith(b"both hear\n")
    plain.close()
