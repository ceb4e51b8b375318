# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from sampan.cli.main import run
from sampan.cli.output import Output
from scripted_engine import ScriptedEngine


class Said(NamedTuple):
    status: int
    out: str
    err: str


Sampan = Callable[..., Said]


@pytest.fixture
def scripted(tmp_path: Path) -> Iterator[ScriptedEngine]:
    engine = ScriptedEngine(str(tmp_path / "engine.sock"))
    engine.serve()
    yield engine
    engine.close()


@pytest.fixture
def sampan(scripted: ScriptedEngine, capfd: pytest.CaptureFixture[str]) -> Sampan:
    """Runs a command line against the scripted engine, in this process."""

    def call(*words: str) -> Said:
        out = Output()
        status = run(["-H", f"unix://{scripted.path}", *words], out)
        out.flush()
        captured = capfd.readouterr()
        return Said(status, captured.out, captured.err)

    return call
