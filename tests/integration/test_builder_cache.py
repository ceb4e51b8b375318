# SPDX-License-Identifier: Apache-2.0
"""`sampan builder du`, `prune` and `cache`: from one data root to another, by an archive and by a registry."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from integration.engine_process import EngineProcess, import_busybox
from integration.registry_process import running_registry

DOCKERFILE = """\
FROM busybox
RUN --mount=type=cache,target=/cache echo x >>/cache/log && cp /cache/log /seen
RUN echo two >/two
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "Dockerfile").write_text(DOCKERFILE)
    return folder


def test_a_cache_and_its_mounts_move_to_a_fresh_machine(
    engine: EngineProcess, own_engine: EngineProcess, project: Path, tmp_path: Path
) -> None:
    engine.sampan("builder", "prune", "-af")
    engine.sampan("build", "-t", "moved", str(project))
    told = engine.out("builder", "cache", "export", "--mounts", str(tmp_path / "cache.tar"))
    assert "2 results and 1 cache mount" in told
    import_busybox(own_engine)
    assert "2 results and 1 cache mount" in own_engine.out(
        "builder", "cache", "import", "--mounts", str(tmp_path / "cache.tar")
    )
    built = own_engine.sampan("build", "--progress=plain", "-t", "moved", str(project))
    assert built.stderr.count("CACHED") == 2
    rebuilt = own_engine.sampan("build", "--no-cache", "-t", "again", str(project))
    assert rebuilt.returncode == 0
    assert own_engine.out("run", "--rm", "again", "cat", "/seen") == "x\nx"


def test_du_shows_records_and_prune_takes_those_that_are_meant(engine: EngineProcess, project: Path) -> None:
    engine.sampan("builder", "prune", "-af")
    engine.sampan("build", str(project))
    records = [
        json.loads(line)
        for line in engine.out("builder", "du", "--format", "json").splitlines()
        if line.startswith("{")
    ]
    assert {record["Type"] for record in records} == {"regular", "exec.cachemount"}
    table = engine.out("builder", "du").splitlines()
    assert table[0].split() == ["ID", "RECLAIMABLE", "SIZE", "LAST", "ACCESSED"]
    assert table[-1].startswith("Total:")
    assert len(engine.out("builder", "du", "--filter", "type=regular").splitlines()) < len(table)
    engine.sampan("builder", "prune", "-f", "--filter", "type=exec.cachemount")
    left = engine.out("builder", "du", "--verbose")
    assert "exec.cachemount" not in left
    assert "RUN echo two" in left
    engine.sampan("builder", "prune", "-f", "--max-used-space", "100gb")
    assert engine.out("builder", "du", "--verbose").count("Type:") == 2


def test_a_registry_carries_a_cache(engine: EngineProcess, project: Path, tmp_path: Path) -> None:
    with running_registry(tmp_path / "registry") as registry:
        name = f"{registry.host}/cache:main"
        engine.sampan("builder", "prune", "-af")
        engine.sampan("build", "--cache-to", f"type=registry,ref={name}", str(project))
        engine.sampan("builder", "prune", "-af")
        built = engine.sampan("build", "--progress=plain", "--cache-from", name, str(project))
        assert built.stderr.count("CACHED") == 2
