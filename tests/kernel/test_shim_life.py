# SPDX-License-Identifier: Apache-2.0
"""A container's life through the shim: made, started, signalled, ended, found again, and never left behind."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from kernel.shim_scene import Client, Scene, death_of, eventually, mounted, story, unframe
from sampan.errors import InvalidArgument, SampanError, Unavailable
from sampan.linux.cgroup import Cgroup, discover_hierarchies
from sampan.shim.control import LauncherControl, Shim, StartFailed, find_exit_status
from sampan.shim.launcher import Launcher


@dataclass(frozen=True)
class Held:
    """Descriptors for the shim to keep."""

    fds: list[int]
    relays: list[str]
    targets: dict[str, tuple[str, int]]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    scene.close()


@story
async def test_a_program_runs_and_its_end_is_told(scene: Scene) -> None:
    before_ns = time.time_ns()
    status, output = await scene.run("box", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert unframe(output) == {1: b"out\n", 2: b"err\n"}
    assert status.exit_code == 7
    assert not status.oom_killed
    assert before_ns < status.started_ns < status.finished_ns < time.time_ns()


@story
async def test_a_container_may_be_made_first_and_started_later(scene: Scene) -> None:
    client = scene.client()
    shim = await scene.launch(scene.order("box", "echo", "now", start=False), client)
    assert shim.pid > 0
    assert shim.started_ns == 0
    await shim.start()
    assert shim.started_ns > 0
    assert unframe(await client.read_all()) == {1: b"now\n"}
    assert (await scene.ended("box")).exit_code == 0


def mounts_here() -> str:
    return Path("/proc/self/mountinfo").read_text(encoding="utf-8")


@story
async def test_everything_is_given_up_at_the_end(scene: Scene) -> None:
    shim = await scene.launch(scene.order("box", "true", start=False))
    shim_process = os.pidfd_open(shim.shim_pid)
    await shim.start()
    await shim.wait_released()
    assert not any(
        map(os.path.exists, Cgroup.select(f"{scene.cgroup}/box", discover_hierarchies()).directories())
    )
    await death_of(shim_process)
    assert str(scene.base) not in mounts_here()


@pytest.mark.parametrize(
    ("command", "exit_code", "words"),
    [("no-such", 127, "executable file not found in $PATH"), ("/etc/note", 126, "permission denied")],
)
@story
async def test_a_program_that_cannot_run_has_dockers_words_and_code(
    scene: Scene, command: str, exit_code: int, words: str
) -> None:
    with pytest.raises(StartFailed, match=words.replace("$", r"\$")) as failure:
        await scene.launch(scene.order("box", command))
    assert failure.value.exit_code == exit_code
    cgroups = Cgroup.select(f"{scene.cgroup}/box", discover_hierarchies())
    await eventually(lambda: not any(map(os.path.exists, cgroups.directories())), "its cgroups are removed")


async def start_later(scene: Scene, order: dict[str, Any]) -> None:
    shim = await scene.launch(order)
    await shim.start()


@story
async def test_a_start_that_fails_later_says_so_too(scene: Scene) -> None:
    order = scene.order("box", "sh", start=False)
    os.unlink(scene.root / "bin/sh")
    with pytest.raises(StartFailed):
        await start_later(scene, order)


@story
async def test_a_user_comes_from_the_images_own_passwd(scene: Scene) -> None:
    status, output = await scene.run("box", "sh", "-c", "id; echo $HOME", user="app", group_add=["root"])
    assert status.exit_code == 0
    assert unframe(output)[1] == b"uid=1000(app) gid=1001(app) groups=0(root),7(extra),1001(app)\n/home/app\n"


@story
async def test_an_unknown_user_fails_in_dockers_words(scene: Scene) -> None:
    with pytest.raises(InvalidArgument, match="unable to find user x: no matching entries in passwd file"):
        await scene.launch(scene.order("box", "true", user="x"))


@story
async def test_an_empty_volume_is_filled_from_the_image_and_a_full_one_is_not(scene: Scene) -> None:
    (scene.root / "data" / "file").write_text("from the image")
    volumes = [scene.base / "empty", scene.base / "full"]
    for volume in volumes:
        volume.mkdir()
    (volumes[1] / "own").write_text("")
    copies = [{"path": "/data", "target": str(volume)} for volume in volumes]
    await scene.run("box", "true", copy_up=copies)
    assert [sorted(os.listdir(volume)) for volume in volumes] == [["file"], ["own"]]


@story
async def test_signals_reach_the_program(scene: Scene) -> None:
    client = scene.client()
    script = "trap 'echo hup; exit 3' HUP; echo ready; while :; do sleep 0.02; done"
    shim = await scene.launch(scene.order("box", "sh", "-c", script), client)
    await client.read_until(b"ready")
    await shim.signal(signal.SIGHUP)
    assert (await scene.ended("box")).exit_code == 3


@story
async def test_a_killed_program_has_128_and_the_signal(scene: Scene) -> None:
    shim = await scene.launch(scene.order("box", "sleep", "100"))
    await shim.signal(signal.SIGKILL)
    assert (await scene.ended("box")).exit_code == 137


@story
async def test_a_program_that_eats_its_memory_is_told_apart_from_a_killed_one(scene: Scene) -> None:
    order = scene.order("box", "dd", "if=/dev/zero", "of=/dev/null", "bs=200M", "count=1")
    order["spec"]["linux"]["resources"] = {"memory": {"limit": 32 << 20, "swap": 32 << 20}}
    await scene.launch(order)
    status = await scene.ended("box")
    assert status.exit_code == 137
    assert status.oom_killed


def drain(client: Client) -> bytes:
    data = b""
    with contextlib.suppress(BlockingIOError):
        while piece := client.sock.recv(65536):
            data += piece
    return data


@story
async def test_a_paused_container_stands_still_until_it_is_resumed(scene: Scene) -> None:
    client = scene.client()
    shim = await scene.launch(scene.order("box", "sh", "-c", "while echo x; do sleep 0.005; done"), client)
    await client.read_until(b"x")
    await shim.pause()
    await asyncio.sleep(0.3)  # what it said before is still on its way
    drain(client)
    await asyncio.sleep(0.1)  # time in which it would have said twenty lines
    assert drain(client) == b""
    await shim.resume()
    await client.read_until(b"x")
    await shim.signal(signal.SIGKILL)
    await scene.ended("box")


@story
async def test_another_engine_finds_a_running_container_with_its_pid_and_start(scene: Scene) -> None:
    first = await scene.launch(scene.order("box", "sleep", "100"))
    first.close()
    ended = asyncio.get_running_loop().create_future()
    second = await Shim.connect(first.run_dir, lambda _, status: ended.set_result(status))
    assert second is not None
    scene.watch(second)
    assert (second.pid, second.shim_pid, second.started_ns) == (first.pid, first.shim_pid, first.started_ns)
    await second.signal(signal.SIGTERM, everyone=True)
    await second.signal(signal.SIGKILL)
    assert (await asyncio.wait_for(ended, 5)).exit_code == 137


@story
async def test_the_exit_of_a_container_without_an_engine_is_found_in_its_run_directory(scene: Scene) -> None:
    shim = await scene.launch(scene.order("box", "sleep", "0.1"))
    started_ns = shim.started_ns
    shim.close()
    await eventually(lambda: os.path.exists(f"{shim.run_dir}/exit.json"), "exit.json")
    status = find_exit_status(shim.run_dir)
    assert (status.exit_code, status.started_ns) == (0, started_ns)


@story
async def test_killing_the_shim_kills_the_container_and_it_counts_as_lost(scene: Scene) -> None:
    shim = await scene.launch(scene.order("box", "sleep", "100"))
    program = os.pidfd_open(shim.pid)
    os.kill(shim.shim_pid, signal.SIGKILL)
    assert (await scene.ended("box")).exit_code == 255
    await death_of(program)
    assert await Shim.connect(shim.run_dir) is None
    assert find_exit_status(shim.run_dir).exit_code == 255


@story
async def test_a_container_that_nobody_can_start_any_more_goes_away(scene: Scene) -> None:
    shim = await scene.launch(scene.order("box", "sleep", "100", start=False))
    program = os.pidfd_open(shim.shim_pid)
    shim.close()
    await death_of(program)


@story
async def test_containers_outlive_the_launcher_and_a_new_one_takes_its_place(scene: Scene) -> None:
    shim = await scene.launch(scene.order("first", "sleep", "100"))
    launcher = scene.control._launcher
    assert launcher is not None
    os.kill(launcher.pid, signal.SIGKILL)
    await asyncio.to_thread(os.waitid, os.P_PID, launcher.pid, os.WEXITED | os.WNOWAIT)
    status, _ = await scene.run("second", "true")
    assert status.exit_code == 0
    await shim.signal(signal.SIGKILL)
    assert (await scene.ended("first")).exit_code == 137


@story
async def test_the_same_container_can_be_started_again_as_soon_as_its_end_is_known(scene: Scene) -> None:
    for number in range(3):
        status, output = await scene.run("box", "sh", "-c", "ls /tmp; touch /tmp/again")
        assert status.exit_code == 0
        assert unframe(output) == ({1: b"again\n"} if number else {})


@story
async def test_held_ports_are_taken_until_the_containers_end_is_known_and_free_then(scene: Scene) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        shim = await scene.launch(
            scene.order("box", "sleep", "100"), hold=Held([server.fileno()] * 300, [""] * 300, {})
        )
    with pytest.raises(OSError, match="in use"):
        socket.create_server(("127.0.0.1", port), reuse_port=False).close()
    await shim.signal(signal.SIGKILL)
    await scene.ended("box")
    socket.create_server(("127.0.0.1", port)).close()


@story
async def test_the_shims_socket_is_for_its_own_user_only(scene: Scene) -> None:
    shim = await scene.launch(scene.order("box", "sleep", "100"))
    assert os.stat(f"{shim.run_dir}/shim.sock").st_mode & 0o777 == 0o600


@story
async def test_a_network_namespace_can_be_joined_or_shared_with_the_host(scene: Scene) -> None:
    first = await scene.launch(scene.order("first", "sleep", "100"))
    joined = {"namespace": "path", "path": f"/proc/{first.pid}/ns/net", "interfaces": [], "sysctls": {}}
    host = {"namespace": "host", "interfaces": [], "sysctls": {}}
    shims = [
        await scene.launch(scene.order("joined", "sleep", "100", network=joined)),
        await scene.launch(scene.order("host", "sleep", "100", network=host)),
    ]
    networks = [os.stat(f"/proc/{shim.pid}/ns/net").st_ino for shim in (first, *shims)]
    assert networks[1] == networks[0]
    assert networks[2] == os.stat("/proc/self/ns/net").st_ino
    assert networks[0] != networks[2]


@story
async def test_an_error_on_the_way_names_what_failed(scene: Scene) -> None:
    order = scene.order("box", "true")
    order["spec"]["mounts"].append(mounted("/data", "bind", "bind") | {"source": "/no/such/folder"})
    with pytest.raises(SampanError, match="/no/such/folder"):
        await scene.launch(order)


@story
async def test_an_order_of_another_version_is_refused(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sampan.shim.control.VERSION", 99)
    with pytest.raises(SampanError, match="version 99"):
        await scene.launch(scene.order("box", "true"))


@story
async def test_requests_to_a_shim_that_has_gone_fail_at_once(scene: Scene) -> None:
    shim = await scene.launch(scene.order("box", "sleep", "100"))
    os.kill(shim.shim_pid, signal.SIGKILL)
    await scene.ended("box")
    with pytest.raises(Unavailable):
        await shim.signal(signal.SIGTERM)


@story
async def test_processes_of_a_container_with_the_hosts_pids_end_with_its_program(scene: Scene) -> None:
    order = scene.order("box", "sh", "-c", "sleep 100 & echo $!")
    order["spec"]["linux"]["namespaces"] = [{"type": each} for each in ("mount", "uts", "ipc")]
    client = scene.client()
    await scene.launch(order, client)
    background = int(unframe(await client.read_all())[1])
    assert (await scene.ended("box")).exit_code == 0
    await eventually(lambda: not os.path.exists(f"/proc/{background}"), "the background process has gone")


@story
async def test_nothing_is_left_of_a_launch_that_is_cancelled_at_any_moment(scene: Scene) -> None:
    for moment in range(12):
        order = scene.order(f"box{moment}", "sleep", "100")
        launching = asyncio.ensure_future(scene.control.launch(order))
        await asyncio.sleep(moment * 0.003)
        launching.cancel()
        await asyncio.wait([launching])
        if not launching.cancelled():  # it came too late
            scene.watch(launching.result())
            await launching.result().signal(signal.SIGKILL)
            await launching.result().wait_released()
        assert await Shim.connect(order["run_dir"]) is None
        path = str(scene.base / f"box{moment}")
        await eventually(lambda path=path: not _mentions(path), "its processes have gone")


def _mentions(path: str) -> list[str]:
    """Processes that have something of a folder mounted."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if path in Path(f"/proc/{pid}/mounts").read_text():
                found.append(pid)
    return found


@story
async def test_a_launcher_waits_for_the_makers_of_the_one_before(scene: Scene) -> None:
    """Two at work on one container would take it from each other."""
    lock_path = str(scene.base / "launcher.lock")
    scene.control = LauncherControl(start=partial(Launcher.start, scene.log_path, lock_path))
    maker = os.open(lock_path, os.O_RDWR | os.O_CREAT)
    fcntl.flock(maker, fcntl.LOCK_EX)
    client = scene.client()
    launching = asyncio.ensure_future(scene.launch(scene.order("box", "echo", "made"), client))
    done, _ = await asyncio.wait([launching], timeout=0.7)
    assert not done
    os.close(maker)
    await launching
    assert unframe(await client.read_all()) == {1: b"made\n"}
    await scene.ended("box")


@story
async def test_containers_and_their_keepers_hold_no_launcher_up(scene: Scene) -> None:
    lock_path = str(scene.base / "launcher.lock")
    scene.control = LauncherControl(start=partial(Launcher.start, scene.log_path, lock_path))
    shim = await scene.launch(scene.order("box", "sleep", "100"))
    scene.control.close()
    successor = os.open(lock_path, os.O_RDWR)
    await eventually(lambda: _is_free(successor), "nobody holds the lock")
    os.close(successor)
    await shim.signal(signal.SIGKILL)
    await scene.ended("box")


def _is_free(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def test_a_control_may_be_closed_twice() -> None:
    control = LauncherControl()
    control.close()
    control.close()
