# SPDX-License-Identifier: Apache-2.0
"""`sampan build --output` and `--ssh`: results that are no image here, and the agent of who builds."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from integration.engine_process import SAMPAN, EngineProcess
from integration.ssh_agent import copy_program, running_agent

DOCKERFILE = """\
FROM busybox AS make
RUN mkdir /out && echo a >/out/a && chmod 640 /out/a && ln -s a /out/link
FROM scratch
COPY --from=make /out /
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "Dockerfile").write_text(DOCKERFILE)
    return folder


def test_files(engine: EngineProcess, project: Path, tmp_path: Path) -> None:
    out, archive = tmp_path / "out", tmp_path / "out.tar"
    before = engine.out("images", "-aq")
    engine.sampan("build", "-o", str(out), str(project))
    assert (out / "a").read_text() == "a\n"
    assert (out / "a").stat().st_mode & 0o777 == 0o640
    assert os.readlink(out / "link") == "a"
    engine.sampan("build", "-o", f"type=tar,dest={archive}", str(project))
    with tarfile.open(archive) as tar:
        assert sorted(tar.getnames()) == ["a", "link"]
    streamed = engine.sampan("build", "-o", "-", str(project), text=False).stdout
    with tarfile.open(
        fileobj=io.BytesIO(streamed.encode() if isinstance(streamed, str) else streamed)
    ) as tar:
        assert sorted(tar.getnames()) == ["a", "link"]
    assert engine.out("images", "-aq") == before


def test_archives_of_images(engine: EngineProcess, project: Path, tmp_path: Path) -> None:
    for kind in ("docker", "oci"):
        archive = tmp_path / kind
        engine.sampan("build", "-t", "built:archived", "-o", f"type={kind},dest={archive}", str(project))
        assert "built:archived" in engine.out("load", "-i", str(archive))
        engine.sampan("rmi", "-f", "built:archived")


def test_nothing_is_written_when_the_build_fails(
    engine: EngineProcess, project: Path, tmp_path: Path
) -> None:
    (project / "Dockerfile").write_text("FROM busybox\nRUN exit 3\n")
    for place in (f"type=tar,dest={tmp_path}/x.tar", str(tmp_path / "x")):
        assert engine.sampan("build", "-o", place, str(project), check=False).returncode != 0
    assert os.listdir(tmp_path) == ["project"]


def test_an_agent_of_this_machine(engine: EngineProcess, project: Path, tmp_path: Path) -> None:
    copy_program("ssh-add", project / "root")
    text = "FROM busybox\nCOPY root /\nRUN --mount=type=ssh,id=mine,required=true ssh-add -l >/keys\n"
    (project / "Dockerfile").write_text(text)
    with running_agent(tmp_path) as agent:
        engine.sampan("build", "-t", "built:ssh", "--ssh", f"mine={agent}", str(project))
        mode = os.stat(agent).st_mode & 0o777
    assert mode == 0o600
    assert "the key (ED25519)" in engine.out("run", "--rm", "built:ssh", "cat", "/keys")
    engine.sampan("rmi", "-f", "built:ssh")
    failed = engine.sampan("build", "--no-cache", str(project), check=False)
    assert "unset ssh forward key mine" in failed.stderr


def test_an_archive_is_not_written_to_a_terminal(engine: EngineProcess, project: Path) -> None:
    master, terminal = os.openpty()
    try:
        done = subprocess.run(
            [*SAMPAN, "build", "-o", "-", str(project)],
            env=engine.environment,
            stdin=subprocess.DEVNULL,
            stdout=terminal,
            stderr=subprocess.PIPE,
            timeout=30,
        )
    finally:
        os.close(master)
        os.close(terminal)
    assert b"refusing to write an archive to the terminal" in done.stderr
