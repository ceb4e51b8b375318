# SPDX-License-Identifier: Apache-2.0
"""`sampan build --check`, `--call` and `--explain-context`: answers about a build without one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from integration.engine_process import EngineProcess


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "Dockerfile").write_text("FROM busybox AS app\nARG MODE=fast\nRUN true\nCMD true\n")
    (tmp_path / "kept").write_bytes(bytes(1500))
    (tmp_path / "left.log").write_bytes(bytes(10))
    (tmp_path / ".dockerignore").write_text("*.log\nnothing\n")
    return tmp_path


def test_findings_are_printed_and_decide_the_status(engine: EngineProcess, project: Path) -> None:
    before = engine.out("images", "-aq")
    checked = engine.sampan("build", "--check", str(project), check=False)
    assert checked.returncode == 1
    assert "WARNING: JSONArgsRecommended - https://docs.docker.com/" in checked.stdout
    assert "Check complete, 1 warning has been found!" in checked.stdout
    (project / "Dockerfile").write_text("FROM busybox\n")
    assert engine.out("build", "--call", "check", str(project)) == "Check complete, no warnings found."
    assert engine.out("images", "-aq") == before


def test_a_build_warns_of_findings_and_fails_when_the_file_says_so(
    engine: EngineProcess, project: Path
) -> None:
    built = engine.sampan("build", "--progress=plain", str(project))
    assert "JSONArgsRecommended" in built.stderr
    text = (project / "Dockerfile").read_text()
    (project / "Dockerfile").write_text("# check=error=true\n" + text)
    failed = engine.sampan("build", "--progress=plain", str(project), check=False)
    assert failed.returncode == 1
    assert "lint violation found for rules: JSONArgsRecommended" in failed.stderr


def test_targets_and_outline(engine: EngineProcess, project: Path) -> None:
    assert engine.out("build", "--call=targets", str(project)).splitlines()[1] == "app (default)"
    told = json.loads(engine.out("build", "--call=outline,format=json", str(project)))
    assert told["args"] == [{"name": "MODE", "value": "fast", "description": ""}]


def test_the_context_is_explained(engine: EngineProcess, project: Path) -> None:
    text = engine.out("build", "--explain-context", str(project))
    assert "Context: 3 files, 1.57kB sent, 1 file, 10B left out" in text
    assert "1: *.log" in text
    assert "left.log" in text
    assert "decides nothing" in text
    told = json.loads(engine.out("build", "--explain-context", "--format", "json", str(project)))
    assert told["rules"][0]["leftOut"] == {"files": 1, "bytes": 10}
