# SPDX-License-Identifier: Apache-2.0
"""A program's streams: several clients, slow ones, vanished ones, detaching ones; and the log beside them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernel.shim_scene import Scene, eventually, story, unframe
from sampan.errors import InvalidArgument
from sampan.shim.logread import iter_frames


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    scene.close()


def logged(scene: Scene, name: str) -> dict[int, bytes]:
    streams: dict[int, bytes] = {}
    for _, stream, data in iter_frames(str(scene.base / "run" / name / "log")):
        streams[stream] = streams.get(stream, b"") + data
    return streams


@story
async def test_every_client_gets_everything_and_so_does_the_log(scene: Scene) -> None:
    script = "read go; seq 1 20000; seq 1 20000 >&2"
    clients = [scene.client(stdin=True), scene.client(), scene.client(stderr=False)]
    await scene.launch(scene.order("box", "sh", "-c", script, open_stdin=True), *clients)
    await clients[0].type(b"go\n")
    outputs = [unframe(await client.read_all()) for client in clients]
    numbers = "".join(f"{n}\n" for n in range(1, 20001)).encode()
    assert outputs == [{1: numbers, 2: numbers}, {1: numbers, 2: numbers}, {1: numbers}]
    assert logged(scene, "box") == {1: numbers, 2: numbers}


@story
async def test_nothing_is_lost_between_a_quick_exit_and_the_end_of_the_stream(scene: Scene) -> None:
    for number in range(5):
        _, output = await scene.run(f"box{number}", "head", "-c", "900000", "/dev/zero")
        assert unframe(output) == {1: bytes(900000)}


@story
async def test_a_slow_client_slows_the_program_and_loses_nothing(scene: Scene) -> None:
    client = scene.client()
    await scene.launch(scene.order("box", "head", "-c", "5000000", "/dev/zero"), client)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(scene.exits["box"]), 0.3)
    assert unframe(await client.read_all()) == {1: bytes(5000000)}
    assert (await scene.ended("box")).exit_code == 0


@story
async def test_a_client_that_vanishes_is_dropped_and_the_program_goes_on(scene: Scene) -> None:
    slow = scene.client()
    await scene.launch(scene.order("box", "head", "-c", "5000000", "/dev/zero"), slow)
    slow.close()
    assert (await scene.ended("box")).exit_code == 0
    assert logged(scene, "box") == {1: bytes(5000000)}


@story
async def test_the_exit_is_told_while_a_slow_client_still_has_output_to_take(scene: Scene) -> None:
    client = scene.client()
    shim = await scene.launch(scene.order("box", "head", "-c", "900000", "/dev/zero"), client)
    assert (await scene.ended("box")).exit_code == 0
    await asyncio.wait_for(shim.wait_released(), 5)
    assert unframe(await client.read_all()) == {1: bytes(900000)}


@story
async def test_input_reaches_the_program_and_its_end_too_when_it_was_for_one_client(scene: Scene) -> None:
    client = scene.client(stdin=True)
    client.initial = b"typed before\n"
    await scene.launch(scene.order("box", "cat", open_stdin=True, stdin_once=True), client)
    await client.type(b"typed after\n")
    client.sock.shutdown(1)
    assert unframe(await client.read_all()) == {1: b"typed before\ntyped after\n"}
    assert (await scene.ended("box")).exit_code == 0


@story
async def test_more_input_than_fits_waits_for_the_program(scene: Scene) -> None:
    client = scene.client(stdin=True)
    await scene.launch(
        scene.order("box", "sh", "-c", "sleep 0.2; cat", open_stdin=True, stdin_once=True), client
    )
    data = os.urandom(5_000_000)
    typing = asyncio.ensure_future(client.type(data))
    output = b""
    while len(output) < len(data):
        output += await client.read()
        if typing.done():
            break
    await typing
    client.sock.shutdown(1)
    output += await client.read_all()
    assert unframe(output) == {1: data}


@story
async def test_input_stays_open_for_the_next_client_unless_it_was_for_one_only(scene: Scene) -> None:
    first = scene.client(stdin=True)
    shim = await scene.launch(scene.order("box", "cat", open_stdin=True), first)
    await first.type(b"one\n")
    await first.read_until(b"one\n")
    first.close()
    second = await scene.attach(shim, stdin=True)
    await second.type(b"two\n")
    await second.read_until(b"two\n")
    await shim.signal(signal.SIGKILL)


@story
async def test_without_open_stdin_the_program_reads_nothing(scene: Scene) -> None:
    status, output = await scene.run("box", "sh", "-c", "cat; echo end")
    assert unframe(output) == {1: b"end\n"}
    assert status.exit_code == 0


@story
async def test_a_program_that_does_not_read_is_not_waited_for(scene: Scene) -> None:
    client = scene.client(stdin=True)
    await scene.launch(scene.order("box", "sleep", "0.3", open_stdin=True, stdin_once=True), client)
    with contextlib.suppress(ConnectionError):  # it may have ended before all was typed
        await client.type(bytes(1_300_000))
    assert (await scene.ended("box")).exit_code == 0
    assert await client.read_all() == b""


@story
async def test_a_terminal_is_raw_sized_and_the_programs_own(scene: Scene) -> None:
    client = scene.client(stdin=True)
    order = scene.order("box", "sh", tty=True, open_stdin=True)
    order["spec"]["process"]["consoleSize"] = {"height": 33, "width": 77}
    shim = await scene.launch(order, client)
    await client.read_until(b"# ")
    await client.type(b"tty; stty size\n")
    await client.read_until(b"/dev/pts/0\r\n33 77\r\n")
    await client.read_until(b"# ")
    await shim.resize("", 44, 88)
    await client.type(b"stty size\n")
    await client.read_until(b"44 88\r\n")
    await client.read_until(b"# ")  # what is typed before, the shell's line editor may throw away
    await client.type(b"sh -c 'echo $((40+1)); exec cat'\n")
    await client.read_until(b"41\r\n")
    await client.type(b"\x03")
    await client.read_until(b"# ")
    await client.type(b"echo $((6*7)); exit 5\n")
    await client.read_until(b"\r\n42\r\n")
    assert (await scene.ended("box")).exit_code == 5


@pytest.mark.parametrize(("keys", "typed"), [("", b"\x10\x11"), ("ctrl-a,b", b"\x01b")])
@story
async def test_the_detach_keys_let_only_that_client_go(scene: Scene, keys: str, typed: bytes) -> None:
    clients = [scene.client(stdin=True), scene.client(stdin=True)]
    clients[0].detach_keys = keys
    shim = await scene.launch(scene.order("box", "sh", tty=True, open_stdin=True), *clients)
    await clients[0].read_until(b"# ")
    await clients[0].type(typed)
    await clients[0].read_all()
    await clients[1].type(b"echo $((6*7))\n")
    await clients[1].read_until(b"42\r\n")
    await shim.signal(signal.SIGKILL)


@story
async def test_bad_detach_keys_are_refused(scene: Scene) -> None:
    shim = await scene.launch(scene.order("box", "sh", tty=True, open_stdin=True))
    client = scene.client()
    client.detach_keys = "ctrl-nonsense"
    with pytest.raises(InvalidArgument, match="ctrl-nonsense"):
        await shim.attach(client)


@story
async def test_attaching_outlives_the_engine(scene: Scene) -> None:
    client = scene.client(stdin=True)
    shim = await scene.launch(scene.order("box", "cat", open_stdin=True, stdin_once=True), client)
    shim.close()
    scene.control.close()
    await client.type(b"still here\n")
    await client.read_until(b"still here\n")
    client.sock.shutdown(1)
    assert await client.read_all() == b""
    await eventually(lambda: os.path.exists(f"{shim.run_dir}/exit.json"), "exit.json")


@story
async def test_a_full_disk_costs_log_lines_but_not_the_container(scene: Scene) -> None:
    order = scene.order("box", "seq", "1", "1000", log={"path": "/dev/full"})
    client = scene.client()
    await scene.launch(order, client)
    assert unframe(await client.read_all())[1].endswith(b"\n1000\n")
    assert (await scene.ended("box")).exit_code == 0


@story
async def test_a_chatty_program_is_hardly_slowed_by_its_log(scene: Scene) -> None:
    """A million short writes, each of which could wake the shim: fewer frames than a tenth of them."""
    script = "i=0; while [ $i -lt 20000 ]; do echo a line that says little $i; i=$((i+1)); done"
    await scene.launch(scene.order("box", "sh", "-c", script))
    await scene.ended("box")
    frames = list(iter_frames(str(scene.base / "run/box/log")))
    assert sum(data.count(b"\n") for _, _, data in frames) == 20000
    assert len(frames) < 5000
