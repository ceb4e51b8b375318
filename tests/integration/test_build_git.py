# SPDX-License-Identifier: Apache-2.0
"""Git repositories in builds: ADD, and as the context itself."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from git_server import run, serving_repository
from integration.engine_process import EngineProcess


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    with serving_repository(tmp_path) as server:
        yield server


def build(engine: EngineProcess, *words: str, dockerfile: str = "") -> subprocess.CompletedProcess[str]:
    return engine.sampan("build", "-t", "from-git", *words, input=dockerfile or None)


def test_add_brings_a_repository_at_a_ref(engine: EngineProcess, served: tuple[str, Path]) -> None:
    url, repository = served
    first = run(repository, "rev-parse", "v1^{commit}")
    text = (
        f"FROM busybox\nADD {url} /new\nADD --keep-git-dir=true {url}#v1 /old\n"
        f"ADD {url}?checksum={first}&tag=v1 /sum\n"
    )
    build(engine, "-", dockerfile=text)
    shown = engine.out("run", "--rm", "from-git", "sh", "-c", "cat /*/web/page; ls -d /*/.git")
    assert shown.split() == ["two", "one", "one", "/old/.git"]
    assert "CACHED" in build(engine, "-", dockerfile=text).stderr
    (repository / "web" / "page").write_text("three\n")
    run(repository, "commit", "-qam", "three")
    build(engine, "-", dockerfile=text)
    assert engine.out("run", "--rm", "from-git", "cat", "/new/web/page") == "three"


def test_a_repository_is_a_context(engine: EngineProcess, served: tuple[str, Path]) -> None:
    url, repository = served
    (repository / "Dockerfile").write_text("FROM busybox\nCOPY page /\n")
    run(repository, "commit", "-qam", "dockerfile")
    (repository / "web" / "Dockerfile").write_text("FROM busybox\nCOPY page /page\n")
    run(repository, "add", ".")
    run(repository, "commit", "-qm", "web's own")
    build(engine, f"{url}#main:web")
    assert engine.out("run", "--rm", "from-git", "cat", "/page") == "two"
    failed = engine.sampan("build", f"{url}#nothing", check=False)
    assert failed.returncode == 1
    assert "repository does not contain ref nothing" in failed.stderr
