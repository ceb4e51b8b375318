# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from scripted_engine import ScriptedEngine


@pytest.fixture
def scripted(tmp_path: Path) -> Iterator[ScriptedEngine]:
    engine = ScriptedEngine(str(tmp_path / "engine.sock"))
    engine.serve()
    yield engine
    engine.close()
