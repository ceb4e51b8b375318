# SPDX-License-Identifier: Apache-2.0
"""`sampan-runtime` as whatever drives runc would use it, and runc itself beside it on the same bundles."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kernel.runtime_bundle import GROUP, Bundle
from sampan.linux.socket import recv_fds

Command = Callable[..., subprocess.CompletedProcess[str]]
OURS = [sys.executable, "-m", "sampan.runtime.command"]


@pytest.fixture
def bundle(tmp_path: Path) -> Iterator[Bundle]:
    bundle = Bundle(tmp_path / "bundle")
    yield bundle
    bundle.close()


def driver(program: list[str], root: Path) -> Command:
    def call(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        command = [*program, "--root", str(root), *arguments]
        settings = {
            "stdin": subprocess.DEVNULL,
            "capture_output": True,
            "text": True,
            "timeout": 20,
            **options,
        }
        return subprocess.run(command, check=False, **settings)

    return call


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[Command]:
    call = driver(OURS, tmp_path / "state")
    yield call
    for name in ("one", "two"):
        call("delete", "--force", name)


def write_config(bundle: Bundle, *arguments: str, **changes: Any) -> dict[str, Any]:
    config = bundle.spec(*arguments, **changes)
    (bundle.path / "config.json").write_text(json.dumps(config))
    return config


def detached(call: Command, *arguments: str) -> None:
    """Run a command whose container keeps the streams: they must not be ours to wait for."""
    done = call(*arguments, capture_output=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert done.returncode == 0, arguments


def test_the_life_of_a_container_command_by_command(bundle: Bundle, ours: Command, tmp_path: Path) -> None:
    write_config(bundle, "sleep", "1000")
    pid_file = tmp_path / "pid"
    detached(ours, "create", "--bundle", str(bundle.path), "--pid-file", str(pid_file), "one")
    state = json.loads(ours("state", "one").stdout)
    assert (state["status"], state["pid"]) == ("created", int(pid_file.read_text()))
    assert "cannot exec" not in ours("exec", "one", "true").stderr
    detached(ours, "start", "one")
    assert json.loads(ours("state", "one").stdout)["status"] == "running"
    assert ours("exec", "one", "sh", "-c", "echo here; exit 5").stdout == "here\n"
    assert ours("exec", "one", "sh", "-c", "exit 5").returncode == 5
    assert json.loads(ours("ps", "--format", "json", "one").stdout) == [state["pid"]]
    assert ours("pause", "one").returncode == 0
    assert ours("list", "--quiet").stdout == "one\n"
    assert json.loads(ours("list", "--format", "json").stdout)[0]["status"] == "paused"
    assert ours("resume", "one").returncode == 0
    assert ours("delete", "one").returncode == 1
    pidfd = os.pidfd_open(state["pid"])
    assert ours("kill", "one", "KILL").returncode == 0
    _await_end(pidfd)
    assert json.loads(ours("state", "one").stdout)["status"] == "stopped"
    assert ours("delete", "one").returncode == 0
    assert ours("state", "one").returncode == 1
    assert list((tmp_path / "state").glob("one*")) == []


def _await_end(pidfd: int) -> None:
    import select

    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    assert poll.poll(10_000)


def test_run_waits_and_returns_the_code(bundle: Bundle, ours: Command) -> None:
    write_config(bundle, "sh", "-c", "cat; exit 7")
    done = ours("run", "--bundle", str(bundle.path), "one", input="text", stdin=None)
    assert (done.returncode, done.stdout, done.stderr) == (7, "text", "")
    assert ours("list", "--quiet").stdout == ""


def test_run_says_why_there_is_no_program(bundle: Bundle, ours: Command, tmp_path: Path) -> None:
    write_config(bundle, "nope")
    log = tmp_path / "log"
    done = ours("--log", str(log), "--log-format", "json", "run", "--bundle", str(bundle.path), "one")
    assert done.returncode == 127
    message = 'exec: "nope": executable file not found in $PATH'
    assert done.stderr == f"sampan-runtime: {message}\n"
    assert json.loads(log.read_text())["msg"] == message
    assert ours("list", "--quiet").stdout == ""


def test_start_in_another_process_says_why_a_program_cannot_run(bundle: Bundle, ours: Command) -> None:
    (bundle.rootfs / "script").write_text("#!/no/interpreter\n")
    (bundle.rootfs / "script").chmod(0o755)
    write_config(bundle, "/script")
    detached(ours, "create", "--bundle", str(bundle.path), "one")
    done = ours("start", "one")
    assert done.returncode == 1
    assert "exec /script: no such file or directory" in done.stderr


def test_the_terminal_goes_to_the_console_socket(bundle: Bundle, ours: Command, tmp_path: Path) -> None:
    write_config(bundle, "sh", "-c", "tty; read x; echo $x", terminal=True)
    assert "cannot allocate tty" in ours("create", "--bundle", str(bundle.path), "one").stderr
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    path = tmp_path / "console.sock"
    listener.bind(str(path))
    listener.listen(1)
    detached(ours, "create", "--bundle", str(bundle.path), "--console-socket", str(path), "one")
    connection, _ = listener.accept()
    with connection, listener:
        _, (console,) = recv_fds(connection, 100)
    detached(ours, "start", "one")
    seen = b""
    while b"/dev/pts/0" not in seen:
        seen += os.read(console, 100)
    os.close(console)


def test_preserved_descriptors_reach_the_program_and_no_others(bundle: Bundle, ours: Command) -> None:
    write_config(bundle, "sh", "-c", "cat <&3; ls /proc/$$/fd; true")
    reader, writer = os.pipe()
    os.write(writer, b"passed\n")
    os.close(writer)
    third = f'exec 3<&{reader}; exec "$@"'
    shell = driver(["/bin/bash", "-c", third, "bash", *OURS], bundle.path.parent / "state")
    done = shell("run", "--preserve-fds", "1", "--bundle", str(bundle.path), "one", pass_fds=[reader])
    os.close(reader)
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["passed", "0", "1", "2", "3"]


def test_a_taken_id_and_a_false_id_are_errors(bundle: Bundle, ours: Command) -> None:
    write_config(bundle, "sleep", "1000")
    detached(ours, "create", "--bundle", str(bundle.path), "one")
    again = ours("create", "--bundle", str(bundle.path), "one")
    assert "container with given ID already exists" in again.stderr
    assert "invalid container ID format" in ours("create", "--bundle", str(bundle.path), "../one").stderr
    assert "container does not exist" in ours("state", "two").stderr
    assert ours("delete", "--force", "two").returncode == 0


def test_spec_and_features_are_the_specifications(ours: Command, tmp_path: Path) -> None:
    assert ours("spec", "--bundle", str(tmp_path)).returncode == 0
    assert json.loads((tmp_path / "config.json").read_text())["process"]["args"] == ["sh"]
    assert ours("spec", "--bundle", str(tmp_path)).returncode == 1
    features = json.loads(ours("features").stdout)
    assert "createContainer" in features["hooks"]
    assert {"rro", "bind", "noexec", "rslave"} <= set(features["mountOptions"])


@pytest.mark.skipif(shutil.which("runc") is None, reason="the peer, runc, is not installed")
def test_runc_and_this_runtime_agree_on_the_same_bundle(
    bundle: Bundle, ours: Command, tmp_path: Path
) -> None:
    script = (
        "id; hostname; pwd; grep -E 'Cap|NoNew|^Seccomp:' /proc/self/status; ls /dev; cat /proc/self/oom_score_adj;"
        "grep -v -E 'cgroup| / ' /proc/mounts | sort | grep -E ' /(dev|sys) |/dev/(pts|shm|mqueue) '; umask; env"
    )
    write_config(bundle, "sh", "-c", script)
    runc = driver(["runc"], tmp_path / "runc")
    said = []
    states = []
    for call in (runc, ours):
        done = call("run", "--bundle", str(bundle.path), "one")
        assert done.stderr == ""
        said.append(sorted(line for line in done.stdout.splitlines() if "SHLVL" not in line))
    assert [_comparable(line) for line in said[0]] == [_comparable(line) for line in said[1]]
    write_config(bundle, "sleep", "1000")
    for call in (runc, ours):
        with contextlib.ExitStack() as stack:
            stack.callback(call, "delete", "--force", "one")
            detached(call, "create", "--bundle", str(bundle.path), "one")
            states.append(json.loads(call("state", "one").stdout))
    assert set(states[0]) == set(states[1])
    for key in ("ociVersion", "id", "status", "bundle", "rootfs"):
        assert key == "ociVersion" or states[0][key] == states[1][key]
    assert GROUP


def _comparable(line: str) -> set[str]:
    """Mount options have no order."""
    return set(line.replace(",", " ").split())
