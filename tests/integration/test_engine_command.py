# SPDX-License-Identifier: Apache-2.0
"""`engine start|stop|status`, starting on first use, and where an engine lives."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.engine_process import SAMPAN, EngineProcess, import_busybox, is_alive, wait_until


@pytest.fixture
def place(tmp_path: Path) -> Iterator[EngineProcess]:
    """Roots with no engine on them yet."""
    engine = EngineProcess(tmp_path)
    yield engine
    engine.sampan("engine", "stop", check=False)


def holder(engine: EngineProcess) -> int:
    return int((engine.run / "engine.pid").read_text())


def test_first_use_starts_it_and_says_so_once(place: EngineProcess) -> None:
    done = place.sampan("ps", "-q")
    assert done.stderr.splitlines() == ["starting the engine"]
    assert place.sampan("ps", "-q").stderr == ""
    assert is_alive(holder(place))


def test_start_status_and_stop(place: EngineProcess) -> None:
    assert place.sampan("engine", "status", check=False).returncode == 3
    place.sampan("engine", "start")
    status = place.out("engine", "status")
    assert f"process {holder(place)}" in status
    assert str(place.socket) in status
    assert "already" in place.sampan("engine", "start").stderr
    pid = holder(place)
    place.sampan("engine", "stop")
    assert not is_alive(pid)
    assert not place.socket.exists()
    assert not (place.run / "engine.pid").exists()
    assert place.sampan("engine", "stop").returncode == 0


def test_two_first_uses_at_once_start_one_engine(place: EngineProcess) -> None:
    clients = [
        subprocess.Popen([*SAMPAN, "ps", "-q"], env=place.environment, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    said = [client.communicate(timeout=30)[1] for client in clients]
    assert [client.returncode for client in clients] == [0] * 4, said


def test_flags_override_the_environment(place: EngineProcess, tmp_path: Path) -> None:
    other = tmp_path / "other"
    flags = ["--data-root", f"{other}/data", "--run-root", f"{other}/run", "-H", f"unix://{other}/its.sock"]
    try:
        place.sampan(*flags, "engine", "start")
        assert place.sampan(*flags, "info", "-f", "{{.DockerRootDir}}").stdout.strip() == f"{other}/data"
        assert (other / "its.sock").is_socket()
        assert not place.data.exists()
    finally:
        place.sampan(*flags, "engine", "stop")


def test_docker_host_is_read_when_there_is_no_sampan_host(place: EngineProcess, tmp_path: Path) -> None:
    place.sampan("engine", "start")
    environment = {k: v for k, v in place.environment.items() if not k.startswith("SAMPAN_")}
    done = place.sampan("info", "-f", "{{.DockerRootDir}}", env=environment)
    assert done.stdout.strip() == str(place.data)


def test_sampan_host_wins_over_docker_host(place: EngineProcess) -> None:
    place.sampan("engine", "start")
    environment = place.environment | {"DOCKER_HOST": "unix:///nonexistent.sock"}
    assert place.sampan("ps", env=environment).returncode == 0


def test_a_second_engine_on_the_same_root_is_refused(place: EngineProcess, tmp_path: Path) -> None:
    place.sampan("engine", "start")
    pid = holder(place)
    for flags in (
        [],
        ["--run-root", f"{tmp_path}/elsewhere", "-H", f"unix://{tmp_path}/elsewhere/engine.sock"],
    ):
        done = place.sampan("engine", "run", *flags, check=False, timeout=20)
        assert done.returncode == 1
        assert f"another engine (process {pid}) uses this directory" in done.stderr
    assert place.sampan("ps").returncode == 0


def test_leftovers_of_a_killed_engine_do_not_matter(place: EngineProcess) -> None:
    place.sampan("engine", "start")
    pid = holder(place)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(pid), "it is gone")
    assert place.socket.exists()
    assert place.sampan("engine", "status", check=False).returncode == 3
    assert place.sampan("ps", "-q").returncode == 0
    assert holder(place) != pid


def test_a_pid_file_that_names_a_stranger(place: EngineProcess) -> None:
    place.run.mkdir(parents=True)
    (place.run / "engine.pid").write_text(f"{os.getpid()}\n")
    assert place.sampan("engine", "status", check=False).returncode == 3
    assert place.sampan("engine", "stop").returncode == 0
    place.sampan("engine", "start")
    assert holder(place) != os.getpid()


def test_a_file_in_the_sockets_place_is_not_an_engine(place: EngineProcess) -> None:
    place.run.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(place.socket))
    assert place.sampan("ps", "-q").returncode == 0


def test_a_socket_only_for_its_users(place: EngineProcess) -> None:
    place.sampan("engine", "start")
    assert place.socket.stat().st_mode & 0o777 == 0o660


def test_an_engine_that_cannot_start_says_why(place: EngineProcess, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = place.sampan("--data-root", f"{tmp_path}/file", "ps", check=False)
    assert done.returncode == 1
    assert f"{tmp_path}/file" in done.stderr


def test_containers_outlive_an_ordinary_stop(place: EngineProcess) -> None:
    place.sampan("engine", "start")
    import_busybox(place)
    container = place.out("run", "-d", "busybox", "sleep", "300")
    pid = place.out("inspect", "-f", "{{.State.Pid}}", container)
    place.sampan("engine", "stop")
    assert is_alive(int(pid))
    assert place.out("ps", "-q", "--no-trunc") == container
    assert place.out("inspect", "-f", "{{.State.Pid}}", container) == pid
    place.sampan("rm", "-f", container)


def test_the_engine_takes_all_the_files_it_may_have_and_gives_containers_what_a_shell_gives(
    tmp_path: Path,
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    engine = EngineProcess(tmp_path)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    try:
        engine.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    try:
        import_busybox(engine)
        assert engine.process
        assert resource.prlimit(engine.process.pid, resource.RLIMIT_NOFILE) == (hard, hard)
        assert engine.out("run", "--rm", "busybox", "sh", "-c", "ulimit -Sn; ulimit -Hn") == f"1024\n{hard}"
        engine.process.send_signal(signal.SIGUSR1)
        log = tmp_path / "engine.log"
        wait_until(lambda: "tasks, " in log.read_text(), "what it does is in the log")
        assert engine.answers()
    finally:
        engine.destroy()
