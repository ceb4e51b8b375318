# SPDX-License-Identifier: Apache-2.0
"""kill -9, full disks and clients that vanish: nothing is lost, and nothing is left behind."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import signal
import sqlite3
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.engine_process import (
    CommandLine,
    EngineProcess,
    busybox_tar,
    import_busybox,
    running_engine,
    wait_until,
)
from integration.kernel_state import KernelWatch, descriptors
from integration.raw_client import RawClient
from integration.registry_process import running_registry
from integration.test_run_network import WEB, free_port, serves
from sampan.network.names import names_for_data_root

pytestmark = pytest.mark.long


@pytest.fixture(params=["sampan", "docker"])
def own_cli(own_engine: EngineProcess, request: pytest.FixtureRequest) -> CommandLine:
    return CommandLine(own_engine, request.param)


def test_requests_go_on_while_the_engine_is_dead(own_engine: EngineProcess) -> None:
    port = free_port()
    container = own_engine.out("run", "-d", "-p", f"{port}:80", *WEB)
    wait_until(lambda: serves(port), "it answers")
    started = own_engine.out("inspect", "-f", "{{.State.StartedAt}} {{.State.Pid}}", container)
    own_engine.kill()
    assert all(serves(port) for _ in range(20))
    own_engine.start()
    assert serves(port)
    assert own_engine.out("ps", "-q", "--no-trunc") == container
    assert own_engine.out("ps", "--format", "{{.Status}}").startswith("Up ")
    assert own_engine.out("inspect", "-f", "{{.State.StartedAt}} {{.State.Pid}}", container) == started
    assert f"0.0.0.0:{port}->80/tcp" in own_engine.out("ps", "--format", "{{.Ports}}")
    assert own_engine.sampan("exec", container, "echo", "still").stdout == "still\n"
    taken = own_engine.sampan("run", "--rm", "-p", f"{port}:80", "busybox", "true", check=False)
    assert "port is already allocated" in taken.stderr
    own_engine.sampan("rm", "-f", container)
    wait_until(lambda: not serves(port), "nobody answers any more")


def test_what_ended_meanwhile_shows_its_code_and_its_logs(own_engine: EngineProcess) -> None:
    script = "read x; echo last words; exit 42"
    client = CommandLine(own_engine, "sampan")
    with client.running("run", "-i", "--name", "ends", "busybox", "sh", "-c", script) as attached:
        wait_until(lambda: own_engine.sampan("ps", "-q").stdout, "it runs")
        own_engine.kill()
        attached.communicate(b"go\n", timeout=20)
    own_engine.start()
    state = json.loads(own_engine.out("inspect", "-f", "{{json .State}}", "ends"))
    assert (state["Status"], state["ExitCode"], state["Running"]) == ("exited", 42, False)
    assert state["FinishedAt"] > state["StartedAt"]
    assert own_engine.out("logs", "ends") == "last words"
    assert own_engine.out("ps", "-a", "--format", "{{.Status}}").startswith("Exited (42)")


def test_an_attached_run_keeps_streaming(own_cli: CommandLine) -> None:
    with own_cli.running("run", "-i", "busybox", "cat") as client:
        assert client.stdin
        assert client.stdout
        client.stdin.write(b"before\n")
        client.stdin.flush()
        assert client.stdout.readline() == b"before\n"
        own_cli.engine.kill()
        client.stdin.write(b"after\n")
        client.stdin.flush()
        assert client.stdout.readline() == b"after\n"
        own_cli.engine.start()


def test_rm_is_kept_although_the_engine_died(own_engine: EngineProcess) -> None:
    own_engine.sampan("run", "-d", "--rm", "--name", "brief", "busybox", "sleep", "0.3")
    own_engine.kill()
    time.sleep(0.5)
    own_engine.start()
    wait_until(lambda: own_engine.out("ps", "-aq") == "", "it is removed")


def test_who_was_being_stopped_when_the_engine_died_stays_stopped(own_engine: EngineProcess) -> None:
    """Although its policy is to be started whenever it ends."""
    names = ("stopped", "killed")
    deaf = ("busybox", "sh", "-c", "trap : TERM; echo deaf; while :; do sleep 0.1; done")
    for name in names:
        own_engine.sampan("run", "-d", "--restart", "always", "--name", name, *deaf)
        wait_until(lambda name=name: own_engine.out("logs", name), "it hears nothing")
    pids = own_engine.out("inspect", "-f", "{{.State.Pid}}", *names).split()
    own_engine.sampan("kill", "-s", "TERM", "killed")
    with RawClient(str(own_engine.socket)) as client:
        client.send("POST", "/v1.51/containers/stopped/stop?t=60")
        events = ("events", "--since", "1h", "--filter", "event=kill", "--filter", "container=stopped")
        wait_until(lambda: own_engine.out(*events, "--until", f"{time.time():.3f}"), "it is asked to end")
        own_engine.kill()
    for pid in pids:
        os.kill(int(pid), signal.SIGKILL)
    own_engine.start()
    states = own_engine.out("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", *names).splitlines()
    assert states == ["exited 137", "exited 137"]


def check_store(engine: EngineProcess) -> None:
    """The database is whole, and every file it does not name is gone."""
    with contextlib.closing(sqlite3.connect(engine.data / "state.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
    for image in json.loads(f"[{','.join(engine.out('images', '--format', 'json').splitlines())}]"):
        name = f"{image['Repository']}:{image['Tag']}"
        assert engine.sampan("run", "--rm", name, "/bin/busybox", "true").returncode == 0, name
    names = (name for _, _, files in os.walk(engine.data) for name in files)
    assert [name for name in names if name.endswith((".tmp", ".part"))] == []
    assert os.listdir(engine.data / "build" / "tmp") == []


def big_archive() -> bytes:
    """A root filesystem large enough that an import of it can be interrupted."""
    out = io.BytesIO(busybox_tar())
    with tarfile.open(fileobj=out, mode="a") as tar:
        for number in range(400):
            info = tarfile.TarInfo(f"data/{number}")
            info.size = 50_000
            tar.addfile(info, io.BytesIO(random.Random(number).randbytes(50_000)))
    return out.getvalue()


@pytest.fixture(scope="module")
def saved_big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "big.tar"
    with running_engine(tmp_path_factory.mktemp("saver")) as engine:
        engine.sampan("import", "-", "big:1", input=big_archive(), text=False)
        engine.sampan("save", "-o", str(path), "big:1")
    return path


@pytest.mark.parametrize("attempt", range(4))
def test_kill_in_the_middle_of_a_load(own_engine: EngineProcess, saved_big: Path, attempt: int) -> None:
    client = CommandLine(own_engine, "sampan")
    with client.running("load", "-i", str(saved_big)) as loading:
        with contextlib.suppress(subprocess.TimeoutExpired):
            loading.wait(random.Random(attempt).uniform(0.02, 0.4))
        own_engine.kill()
    own_engine.start()
    check_store(own_engine)
    own_engine.sampan("load", "-i", str(saved_big))
    assert own_engine.out("run", "--rm", "big:1", "/bin/sh", "-c", "ls /data | wc -l") == "400"


@pytest.mark.parametrize("attempt", range(4))
def test_kill_in_the_middle_of_a_build(own_engine: EngineProcess, tmp_path: Path, attempt: int) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "Dockerfile").write_text(
        "FROM busybox\nCOPY . /src\nRUN for i in 1 2 3 4 5 6 7 8 9; do head -c 300000 /dev/urandom >/$i; done\n"
        "RUN cat /1 /2 /3 >/all\nRUN rm /1\n"
    )
    (project / "data").write_bytes(bytes(2_000_000))
    client = CommandLine(own_engine, "sampan")
    with client.running("build", "-t", "half:1", str(project)) as building:
        with contextlib.suppress(subprocess.TimeoutExpired):
            building.wait(random.Random(attempt).uniform(0.1, 0.6))
        own_engine.kill()
    own_engine.start()
    check_store(own_engine)
    own_engine.sampan("build", "-t", "half:1", str(project))
    assert own_engine.out("run", "--rm", "half:1", "sh", "-c", "ls /1 2>/dev/null; wc -c </all") == "900000"
    check_store(own_engine)


def test_kill_in_the_middle_of_runs(own_engine: EngineProcess) -> None:
    client = CommandLine(own_engine, "docker")  # which starts no other engine meanwhile
    with contextlib.ExitStack() as stack:
        for number in range(6):
            stack.enter_context(client.running("run", "-d", "--name", f"c{number}", "busybox", "sleep", "30"))
        time.sleep(0.25)
        own_engine.kill()
    own_engine.start()
    for name in own_engine.out("ps", "-a", "--format", "{{.Names}}").split():
        own_engine.sampan("inspect", name)
        own_engine.sampan("rm", "-f", name)
    assert own_engine.out("run", "--rm", "--name", "c0", "busybox", "echo", "fine") == "fine"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[EngineProcess]:
    """An engine whose data root has 24 MB."""
    base = tmp_path / "small"
    (base / "data").mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(base / "data")], check=True)
    engine = EngineProcess(base)
    try:
        engine.start()
        import_busybox(engine)
        yield engine
    finally:
        with contextlib.suppress(AssertionError):
            engine.remove_everything()
        engine.stop()
        subprocess.run(["umount", "-l", str(base / "data")], check=True)


def test_a_full_disk_is_named_and_loses_nothing(
    small_disk: EngineProcess, saved_big: Path, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "Dockerfile").write_text("FROM busybox\nRUN dd if=/dev/zero of=/big bs=1M count=60\n")
    (project / "Copy").write_text("FROM busybox\nCOPY big /big\n")
    (project / "big").write_bytes(bytes(40_000_000))
    before = small_disk.out("images", "-q")
    for args in (
        ["load", "-i", str(saved_big)],
        ["build", "-t", "big:2", str(project)],
        ["build", "-t", "big:3", "-f", f"{project}/Copy", str(project)],
        ["import", str(saved_big), "big:4"],
    ):
        done = small_disk.sampan(*args, check=False)
        assert done.returncode != 0, args
        assert "no space left on device" in done.stderr.lower(), (args, done.stderr)
        assert args[:3] == ["build", "-t", "big:2"] or str(small_disk.data) in done.stderr, (
            args,
            done.stderr,
        )
        assert small_disk.out("images", "-q") == before
        assert small_disk.out("run", "--rm", "busybox", "echo", "fine") == "fine"
    done = small_disk.sampan(
        "run", "--name", "fills", "busybox", "sh", "-c", "cat /dev/zero >/big", check=False
    )
    assert "No space left on device" in done.stderr
    small_disk.sampan("run", "--rm", "busybox", "true", check=False)
    small_disk.sampan("rm", "-f", "fills")
    wait_until(
        lambda: small_disk.sampan("run", "--rm", "busybox", "true", check=False).returncode == 0, "room again"
    )
    check_store(small_disk)


BIG = "dd if=/dev/zero of=/big bs=1000000 count=4"


def fill(folder: Path) -> Path:
    """Take every byte that is left."""
    filler = folder / "filler"
    with open(filler, "ab", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)) == size:
                    pass
    return filler


def test_without_a_byte_left_all_that_takes_room_fails_and_the_rest_goes_on(
    small_disk: EngineProcess, saved_big: Path, tmp_path: Path
) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM busybox\nRUN {BIG}\n")
    flags = ("-d", "--stop-signal", "KILL", "--restart", "unless-stopped")
    small_disk.sampan("run", *flags, "--name", "runs", "busybox", "sleep", "1000")
    small_disk.sampan("run", *flags, "--name", "other", "-v", "/data", "busybox", "sleep", "1000")
    with running_registry(tmp_path / "registry") as registry:
        name = f"{registry.host}/app:1"
        small_disk.sampan("build", "-q", "-t", name, str(tmp_path))
        small_disk.sampan("push", "-q", name)
        small_disk.sampan("rmi", name)
        small_disk.sampan("builder", "prune", "-af")
        images = small_disk.out("images", "-q")
        for args in (
            ["pull", "-q", name],
            ["load", "-i", str(saved_big)],
            ["build", "--no-cache", str(tmp_path)],
            ["run", "--rm", "busybox", *BIG.split()],
        ):
            fill(small_disk.data)
            done = small_disk.sampan(*args, check=False)
            assert "no space left on device" in done.stderr.lower(), (args, done.returncode, done.stderr)
            assert small_disk.out("images", "-q") == images
        filler = fill(small_disk.data)
        assert small_disk.out("ps", "--format", "{{.Names}}").split() == ["other", "runs"]
        assert small_disk.out("exec", "runs", "echo", "fine") == "fine"
        small_disk.sampan("stop", "runs")
        assert small_disk.out("wait", "runs") == "137"
        assert small_disk.out("ps", "--format", "{{.Names}}") == "other"
        small_disk.kill()
        fill(small_disk.data)
        small_disk.start()
        assert small_disk.out("ps", "--format", "{{.Names}}") == "other"
        small_disk.sampan("rm", "runs")
        filler.unlink()
        assert small_disk.out("ps", "--format", "{{.Names}}") == "other"
        small_disk.sampan("pull", "-q", name)
        assert small_disk.out("run", "--rm", name, "sh", "-c", "wc -c </big") == "4000000"
        small_disk.sampan("build", "-t", "room:1", "--no-cache", str(tmp_path))
    check_store(small_disk)


def test_vanishing_clients_leak_nothing(own_engine: EngineProcess) -> None:
    container = own_engine.out(
        "run", "-d", "-i", "busybox", "sh", "-c", "while :; do echo x; sleep 0.01; done"
    )
    assert own_engine.process
    pid = own_engine.process.pid
    path = str(own_engine.socket)
    urls = (
        (
            "POST",
            f"/v1.51/containers/{container}/attach?stream=1&stdin=1&stdout=1",
            ("Connection: Upgrade", "Upgrade: tcp"),
        ),
        ("GET", f"/v1.51/containers/{container}/logs?follow=1&stdout=1", ()),
        ("GET", "/v1.51/events", ()),
        ("POST", f"/v1.51/containers/{container}/wait", ()),
    )

    def visit() -> None:
        for method, url, headers in urls:
            with RawClient(path) as client:
                client.send(method, url, *headers)
                client.head()
        with RawClient(path) as client:
            client.sock.sendall(
                b"POST /v1.51/build HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nsome"
            )

    visit()
    own_engine.out("ps")
    wait_until(lambda: stable(pid), "it has settled")
    before = descriptors(pid)
    for _ in range(10):
        visit()
    wait_until(lambda: descriptors(pid) <= before, f"{before} descriptors again", limit_s=10)
    assert own_engine.out("ps", "-q", "--no-trunc") == container


def stable(pid: int) -> bool:
    first = descriptors(pid)
    time.sleep(0.2)
    return descriptors(pid) == first


@pytest.mark.parametrize("name", ["sampan", "docker"])
def test_a_killed_build_client_ends_the_build(own_engine: EngineProcess, tmp_path: Path, name: str) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p/Dockerfile").write_text("FROM busybox\nRUN echo started; sleep 300\n")
    own_engine.environment["DOCKER_BUILDKIT"] = "0"
    watch = KernelWatch(own_engine)
    with CommandLine(own_engine, name).running("build", "--no-cache", str(tmp_path / "p")):
        wait_until(lambda: watch.look().processes, "the step runs")
    watch.wait_for_before()


def test_nothing_is_left_in_the_kernel(own_engine: EngineProcess, tmp_path: Path) -> None:
    watch = KernelWatch(own_engine)
    port = free_port()
    own_engine.sampan(
        "run", "--rm", "-p", f"{port}:80", "-v", f"{tmp_path}:/x", "--memory", "50m", "busybox", "true"
    )
    own_engine.sampan("run", "--rm", "busybox", "frobnicate", check=False)
    for flags in ([], ["--network", "none"], ["--network", "host"], ["--pid", "host"], ["--privileged"]):
        container = own_engine.out("run", "-d", *flags, "busybox", "sh", "-c", "sleep 100 & sleep 100")
        own_engine.sampan("exec", "-d", container, "sleep", "100")
        assert watch.look().processes
        own_engine.sampan("rm", "-f", container)
    watch.hear_of_events()
    watch.wait_for_before()


def test_a_stopped_idle_engine_takes_its_network_along(tmp_path: Path) -> None:
    with running_engine(tmp_path / "e") as engine:
        port, table = free_port(), names_for_data_root(str(engine.data)).table
        engine.sampan("network", "create", "--ipv6", "sea")
        engine.sampan("run", "--rm", "-p", f"{port}:80", "busybox", "true")
        assert nft_tables(table) == {f"table ip {table}", f"table ip6 {table}"}
        engine.stop()
        assert engine.process
        assert engine.process.returncode == 0
        wait_until(lambda: nft_tables(table) == set(), "the rules are as before", limit_s=10)
        engine.start()
        assert engine.out("run", "--rm", "busybox", "echo", "again") == "again"


def nft_tables(name: str) -> set[str]:
    """The packet filter's tables of this name."""
    done = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True)
    return {line for line in done.stdout.splitlines() if line.endswith(f" {name}")}


def test_a_killed_launcher_is_replaced(own_engine: EngineProcess) -> None:
    assert own_engine.process
    children = (
        Path(f"/proc/{own_engine.process.pid}/task/{own_engine.process.pid}/children").read_text().split()
    )
    for child in children:
        os.kill(int(child), signal.SIGKILL)
    assert own_engine.out("run", "--rm", "busybox", "echo", "fine") == "fine"


def test_a_killed_shim_ends_its_container(own_engine: EngineProcess) -> None:
    container = own_engine.out("run", "-d", "busybox", "sleep", "300")
    pid = own_engine.out("inspect", "-f", "{{.State.Pid}}", container)
    stat = Path(f"/proc/{pid}/stat").read_text()
    os.kill(int(stat.rpartition(")")[2].split()[1]), signal.SIGKILL)
    wait_until(
        lambda: own_engine.out("inspect", "-f", "{{.State.Running}}", container) == "false", "it is noticed"
    )
    assert own_engine.out("start", container) == container
    assert own_engine.out("inspect", "-f", "{{.State.Running}}", container) == "true"
