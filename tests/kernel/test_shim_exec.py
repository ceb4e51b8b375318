# SPDX-License-Identifier: Apache-2.0
"""Programs run in a container that runs already."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernel.shim_scene import Client, Scene, story, unframe
from sampan.shim.control import Shim, StartFailed


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    scene.close()


class Exec:
    """An exec: its client, if any, and its exit code to come."""

    def __init__(self, client: Client | None) -> None:
        self.client = client
        self.exit_code: asyncio.Future[int] = asyncio.get_running_loop().create_future()


async def start(
    scene: Scene,
    shim: Shim,
    name: str,
    *args: str,
    client: Client | None = None,
    tty: bool = False,
    user: str = "",
) -> Exec:
    made = Exec(client)
    process = scene.process(*args, tty=tty)
    await shim.exec(name, process, attachment=client, user=user, on_exit=made.exit_code.set_result)
    if client:
        client.passed_on()
    return made


async def output_of(scene: Scene, shim: Shim, *args: str, user: str = "") -> dict[int, bytes]:
    made = await start(scene, shim, args[0], *args, client=scene.client(), user=user)
    assert made.client is not None
    return unframe(await made.client.read_all())


@story
async def test_an_exec_is_among_the_containers_processes_and_its_code_comes_before_its_end(
    scene: Scene,
) -> None:
    shim = await scene.launch(scene.order("box", "sleep", "100"))
    made = await start(
        scene,
        shim,
        "e",
        "sh",
        "-c",
        "ps; hostname || cat /proc/sys/kernel/hostname; exit 9",
        client=scene.client(),
    )
    assert made.client is not None
    output = unframe(await made.client.read_all())
    assert made.exit_code.done()
    assert made.exit_code.result() == 9
    assert b"sleep 100" in output[1]
    assert b"box\n" in output[1]


@story
async def test_input_and_its_end_reach_an_exec(scene: Scene) -> None:
    shim = await scene.launch(scene.order("box", "sleep", "100"))
    client = scene.client(stdin=True)
    made = await start(scene, shim, "e", "cat", client=client)
    await client.type(b"through\n")
    client.sock.shutdown(1)
    assert unframe(await client.read_all()) == {1: b"through\n"}
    assert await made.exit_code == 0


@story
async def test_an_exec_has_a_terminal_of_its_own_with_its_own_size(scene: Scene) -> None:
    shim = await scene.launch(scene.order("box", "sh", tty=True, open_stdin=True))
    client = scene.client(stdin=True)
    made = await start(scene, shim, "e", "sh", client=client, tty=True)
    await shim.resize("e", 12, 34)
    await client.type(b"tty; stty size\n")
    await client.read_until(b"/dev/pts/1\r\n12 34\r\n")
    await client.type(b"\x10\x11")
    await client.read_all()
    assert not made.exit_code.done()


@story
async def test_an_exec_may_be_another_user(scene: Scene) -> None:
    shim = await scene.launch(scene.order("box", "sleep", "100"))
    assert (await output_of(scene, shim, "id", user="app"))[1].startswith(b"uid=1000(app) gid=1001(app)")


@pytest.mark.parametrize(("command", "exit_code"), [("no-such", 127), ("/etc/note", 126)])
@story
async def test_an_exec_that_cannot_run_leaves_the_stream_to_the_engine(
    scene: Scene, command: str, exit_code: int
) -> None:
    shim = await scene.launch(scene.order("box", "sleep", "100"))
    client = scene.client()
    with pytest.raises(StartFailed) as failure:
        await start(scene, shim, "e", command, client=client)
    assert failure.value.exit_code == exit_code
    os.write(client.fd, b"the engine's words")
    assert await client.read() == b"the engine's words"
    assert (await output_of(scene, shim, "echo", "fine"))[1] == b"fine\n"


@story
async def test_a_detached_exec_runs_and_its_code_is_told(scene: Scene) -> None:
    shim = await scene.launch(scene.order("box", "sleep", "100"))
    made = await start(scene, shim, "e", "sh", "-c", "yes | head -c 3000000; exit 4")
    assert await made.exit_code == 4


@story
async def test_execs_end_with_their_container(scene: Scene) -> None:
    shim = await scene.launch(scene.order("box", "sleep", "100"))
    made = await start(scene, shim, "e", "sleep", "100", client=scene.client())
    await shim.signal(signal.SIGKILL)
    assert await made.exit_code == 137
    assert (await scene.ended("box")).exit_code == 137
    assert made.client is not None
    assert await made.client.read_all() == b""


@story
async def test_many_execs_run_side_by_side(scene: Scene) -> None:
    shim = await scene.launch(scene.order("box", "sleep", "100"))
    clients = [scene.client() for _ in range(20)]
    execs = [
        await start(scene, shim, f"e{n}", "sh", "-c", f"sleep 0.1; echo {n}; exit {n}", client=client)
        for n, client in enumerate(clients)
    ]
    assert [await each.exit_code for each in execs] == list(range(20))
    assert [unframe(await client.read_all())[1] for client in clients] == [b"%d\n" % n for n in range(20)]


@story
async def test_an_exec_is_held_by_a_background_process_only_for_a_while(scene: Scene) -> None:
    shim = await scene.launch(scene.order("box", "sleep", "100"))
    assert await output_of(scene, shim, "sh", "-c", "sleep 50 & echo started") == {1: b"started\n"}
