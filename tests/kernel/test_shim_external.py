# SPDX-License-Identifier: Apache-2.0
"""The same shim with another OCI runtime's command: runc."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kernel.shim_scene import Scene, story, unframe
from sampan.shim.control import StartFailed

RUNC = shutil.which("runc", path="/usr/sbin:/usr/bin:/usr/local/bin")
pytestmark = pytest.mark.skipif(RUNC is None, reason="runc is not installed")


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    scene.close()


def order(scene: Scene, *args: str, **changes: Any) -> dict[str, Any]:
    name = f"runc-{os.getpid()}"
    return scene.order(name, *args, runtime={"path": RUNC}, **changes)


@story
async def test_runc_runs_a_program_to_its_end(scene: Scene) -> None:
    client = scene.client()
    made = order(scene, "sh", "-c", "echo out; exit 6")
    shim = await scene.launch(made, client)
    assert unframe(await client.read_all()) == {1: b"out\n"}
    assert (await scene.ended(made["id"])).exit_code == 6
    await shim.wait_released()


@story
async def test_runc_runs_an_exec_and_pauses(scene: Scene) -> None:
    shim = await scene.launch(order(scene, "sleep", "100"))
    client = scene.client()
    await shim.exec("e", scene.process("id"), attachment=client, user="app")
    client.passed_on()
    assert unframe(await client.read_all())[1].startswith(b"uid=1000(app)")
    await shim.pause()
    await shim.resume()
    await shim.signal(signal.SIGKILL)
    assert (await scene.ended(f"runc-{os.getpid()}")).exit_code == 137


@story
async def test_runc_gives_a_terminal(scene: Scene) -> None:
    client = scene.client(stdin=True)
    shim = await scene.launch(order(scene, "sh", tty=True, open_stdin=True), client)
    await shim.resize("", 21, 43)
    await client.type(b"stty size; exit 3\n")
    await client.read_until(b"21 43\r\n")
    assert (await scene.ended(f"runc-{os.getpid()}")).exit_code == 3


@story
async def test_runcs_reasons_keep_dockers_exit_codes(scene: Scene) -> None:
    with pytest.raises(StartFailed, match="executable file not found") as failure:
        await scene.launch(order(scene, "no-such"))
    assert failure.value.exit_code == 127
