# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sampan.cli.main import run
from sampan.cli.output import Output
from scripted_engine import ScriptedEngine

HOLDS_THE_LOCK = """
import fcntl, os, sys, time
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
file.write(f"{os.getpid()}\\n")
file.flush()
print("ready", flush=True)
time.sleep(60)
"""


@pytest.fixture
def run_root(tmp_path: Path) -> Path:
    root = tmp_path / "run"
    root.mkdir()
    return root


@pytest.fixture
def holder(run_root: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that looks like an engine: it holds the pid file."""
    words = [sys.executable, "-c", HOLDS_THE_LOCK, str(run_root / "engine.pid")]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process
        process.kill()


def _sampan(run_root: Path, *words: str) -> int:
    out = Output()
    status = run(["--run-root", str(run_root), "--data-root", str(run_root / "data"), "engine", *words], out)
    out.flush()
    return status


@pytest.fixture(autouse=True)
def no_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SAMPAN_HOST", raising=False)
    monkeypatch.delenv("DOCKER_HOST", raising=False)


def test_without_an_engine_status_exits_with_3(run_root: Path, capfd) -> None:
    assert _sampan(run_root, "status") == 3
    assert capfd.readouterr().out == "engine is not running\n"


def test_a_pid_that_a_dead_engine_left_is_not_believed(run_root: Path, capfd) -> None:
    (run_root / "engine.pid").write_text(f"{os.getpid()}\n")
    assert _sampan(run_root, "status") == 3
    assert _sampan(run_root, "stop") == 0
    assert capfd.readouterr().err == "engine is not running\n"


def test_stop_waits_for_the_end(run_root: Path, holder: subprocess.Popen[bytes], capfd) -> None:
    assert _sampan(run_root, "stop") == 0
    assert capfd.readouterr().err == f"engine (process {holder.pid}) stopped\n"
    assert holder.wait(0) == -15


def test_status_tells_an_engine_that_does_not_answer(
    run_root: Path, holder: subprocess.Popen[bytes], capfd
) -> None:
    assert _sampan(run_root, "status") == 1
    assert f"engine (process {holder.pid}) does not answer" in capfd.readouterr().err


def test_status_tells_where_the_engine_is(run_root: Path, holder: subprocess.Popen[bytes], capfd) -> None:
    scripted = ScriptedEngine(str(run_root / "engine.sock"))
    scripted.on("GET /version", json={"Version": "1.2"})
    scripted.serve()
    assert _sampan(run_root, "status") == 0
    shown = capfd.readouterr().out
    assert shown.startswith(f"engine 1.2 is running, process {holder.pid}\n")
    assert f"  run root: {run_root}\n" in shown
    assert _sampan(run_root, "start") == 0
    assert "already listens" in capfd.readouterr().err
    scripted.close()


def test_looking_at_the_lock_does_not_take_it(run_root: Path) -> None:
    with open(run_root / "engine.pid", "w") as file:
        assert _sampan(run_root, "status") == 3
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_an_engine_does_not_listen_on_tcp(run_root: Path, capfd) -> None:
    assert _sampan(run_root, "start", "-H", "tcp://127.0.0.1:1") == 1
    assert "an engine listens on a unix socket" in capfd.readouterr().err
