# SPDX-License-Identifier: Apache-2.0
"""What the client may import: start-up time as a list, not as a stopwatch.

Each of these costs milliseconds of processor time at every command; `re` and `typing` alone as much as all
of ours together.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from scripted_engine import ScriptedEngine

FORBIDDEN = {
    *("argparse", "asyncio", "collections", "contextlib", "ctypes", "dataclasses", "enum", "functools"),
    *("http", "inspect", "json", "logging", "msgspec", "pathlib", "re", "selectors", "shutil", "signal"),
    *("socket", "ssl", "subprocess", "tempfile", "threading", "typing", "urllib", "aiohttp"),
}

# Site packages load what they like before we start (editable installs do), so -S and -I keep them out.
PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
before = set(sys.modules)
from sampan.cli.main import run
from sampan.cli.output import Output
out = Output()
status = run(sys.argv[2:], out)
out.flush()
loaded = set(sys.modules) - before
import json
print(json.dumps([status, sorted(loaded)]), file=sys.stderr)
"""
SOURCE = str(Path(__file__).resolve().parents[2] / "src")


@pytest.fixture
def socket(tmp_path: Path):  # type: ignore[no-untyped-def]
    engine = ScriptedEngine(str(tmp_path / "engine.sock"))
    container = {"Id": "a" * 64, "Names": ["/web"], "Image": "i", "Command": "sh", "Created": 1, "Ports": []}
    engine.on("GET /containers/json", json=[container])
    engine.on("GET /images/json", json=[])
    engine.on("GET /version", json={"Version": "1", "ApiVersion": "1.51"})
    engine.on("DELETE /containers/web", json=None, status=204)
    engine.serve()
    yield engine.path
    engine.close()


def _loaded(*words: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", PROGRAM, SOURCE, *words],
        capture_output=True,
        text=True,
        check=True,
    )
    status, loaded = json.loads(done.stderr.splitlines()[-1])
    assert status == 0, done.stderr
    return set(loaded)


@pytest.mark.parametrize(
    "command",
    [
        ["--version"],
        ["--help"],
        ["version"],
        ["ps"],
        ["ps", "--help"],
        ["images"],
        ["rm", "web"],
        ["compose", "--help"],
    ],
)
def test_a_common_command_imports_nothing_slow(socket: str, command: list[str]) -> None:
    loaded = _loaded("-H", f"unix://{socket}", *command)
    assert {name.partition(".")[0] for name in loaded} & FORBIDDEN == set()


def test_only_the_module_of_the_command_is_loaded(socket: str) -> None:
    loaded = _loaded("-H", f"unix://{socket}", "ps")
    assert {name for name in loaded if name.startswith("sampan.cli.commands.")} == {"sampan.cli.commands.ps"}


def test_the_client_knows_nothing_of_the_engines_packages(socket: str) -> None:
    loaded = _loaded("-H", f"unix://{socket}", "version")
    packages = {name.split(".")[1] for name in loaded if name.startswith("sampan.")}
    assert packages <= {"cli", "client", "errors", "paths"}
