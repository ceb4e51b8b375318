# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from sampan.client import autostart
from sampan.client.address import Address
from sampan.client.autostart import EngineDidNotStart, engine_command, start_engine
from sampan.paths import Roots

READY = """
import os, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
print("log line", os.getsid(0) == os.getpid(), os.environ["MARK"])
sys.stdout.flush()
os.write(3, b"1")
listener.accept()
"""
COMPLAINS = "import os; os.write(3, b'engine.pid: another engine uses this directory'); raise SystemExit(1)"
DIES = "raise SystemExit(7)"


@pytest.fixture
def roots(tmp_path: Path) -> Roots:
    return Roots(str(tmp_path / "data"), str(tmp_path / "run"))


def _run_instead(monkeypatch: pytest.MonkeyPatch, program: str, roots: Roots) -> None:
    words = [sys.executable, "-c", program, roots.socket]
    monkeypatch.setattr(autostart, "engine_command", lambda *_args, **_kwargs: words)


def _start(roots: Roots) -> list[str]:
    said: list[str] = []
    environ = {**os.environ, "MARK": "ours"}
    start_engine(roots, Address(path=roots.socket), environ=environ, say=said.append)
    return said


def test_waits_until_the_engine_listens_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, roots: Roots
) -> None:
    from sampan.client.http import connect

    _run_instead(monkeypatch, READY, roots)
    assert _start(roots) == ["starting the engine"]
    connect(Address(path=roots.socket)).close()  # which also ends it
    assert Path(roots.log_file).read_text() == "log line True ours\n"


@pytest.mark.parametrize(
    ("program", "reason"), [(COMPLAINS, "another engine uses this"), (DIES, "it ended before it was ready")]
)
def test_an_engine_that_cannot_start_is_an_error_that_names_the_log(
    monkeypatch: pytest.MonkeyPatch, roots: Roots, program: str, reason: str
) -> None:
    _run_instead(monkeypatch, program, roots)
    with pytest.raises(EngineDidNotStart, match=f"engine did not start: .*{reason}") as raised:
        _start(roots)
    assert roots.log_file in (raised.value.hint or "")


def test_another_clients_engine_will_do(monkeypatch: pytest.MonkeyPatch, roots: Roots) -> None:
    import socket

    os.makedirs(roots.run)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(roots.socket)
    listener.listen()
    _run_instead(monkeypatch, COMPLAINS, roots)
    assert _start(roots) == ["starting the engine"]
    listener.close()


def test_the_engine_is_told_its_roots_and_where_to_listen(roots: Roots) -> None:
    words = engine_command(roots, Address(path=roots.socket), ready=3)
    assert words[1:] == [
        *("-P", "-m", "sampan.daemon.main", "--data-root", roots.data, "--run-root", roots.run),
        *("--ready-fd", "3"),
    ]
    assert engine_command(roots, Address(path="/x.sock"))[-2:] == ["--host", "unix:///x.sock"]
