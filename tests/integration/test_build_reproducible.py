# SPDX-License-Identifier: Apache-2.0
"""SOURCE_DATE_EPOCH and `sampan build --reproducible`: equal inputs give equal digests, and what does not is found."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
from pathlib import Path

import pytest

from git_server import run
from integration.docker_clients import DockerClient
from integration.engine_process import EngineProcess
from integration.registry_process import running_registry

EPOCH = 1_600_000_000
DOCKERFILE = """\
FROM busybox
WORKDIR /work
COPY . /work/
RUN echo made >/etc/made && mkdir -p /a/b && touch /a/b/new && rm /work/old && ln -s /a /link
RUN --mount=type=bind,source=data,target=/somewhere/data cat /somewhere/data >/copied
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "Dockerfile").write_text(DOCKERFILE)
    (folder / "data").write_text("data\n")
    (folder / "old").write_text("old\n")
    for number, name in enumerate(("data", "old", "Dockerfile")):
        os.utime(folder / name, (EPOCH + number, EPOCH + number))
    return folder


def test_two_engines_make_the_same_image(
    engine: EngineProcess, own_engine: EngineProcess, project: Path, tmp_path: Path
) -> None:
    engine.sampan("save", "-o", str(tmp_path / "base.tar"), "busybox")
    own_engine.sampan("load", "-i", str(tmp_path / "base.tar"))
    made = []
    with running_registry(tmp_path / "registry") as registry:
        for number, one in enumerate((engine, own_engine)):
            # The second checkout is another folder, whose folders' own times are of another day.
            place = shutil.copytree(project, tmp_path / str(number))
            name, archive = f"{registry.host}/same:{number}", tmp_path / f"{number}.tar"
            one.sampan("build", "--reproducible", "-t", name, "-t", "built:same", str(place))
            one.sampan("save", "-o", str(archive), "built:same")
            pushed = one.out("push", "-q", name) and one.out("push", name).rpartition("digest: ")[2]
            made.append((one.out("images", "-q", "--no-trunc", "built:same"), archive.read_bytes(), pushed))
            one.sampan("rmi", "built:same", name)
    assert made[0] == made[1]
    assert "sha256:" in made[0][2]


def test_nothing_is_younger_than_the_newest_file(engine: EngineProcess, project: Path) -> None:
    engine.sampan("build", "--reproducible", "-t", "built:dated", str(project))
    assert json.loads(engine.out("inspect", "built:dated"))[0]["Created"].startswith("2020-09-13T12:26:42")
    files = ("/etc/made", "/a/b", "/link", "/work/data")
    told = engine.out("run", "--rm", "built:dated", "stat", "-c", "%Y", *files)
    assert [int(word) for word in told.split()] == [EPOCH + 2, EPOCH + 2, EPOCH + 2, EPOCH]
    # A file that is younger, though no newer than the newest, is another input: it is copied anew.
    os.utime(project / "data", (EPOCH + 1, EPOCH + 1))
    engine.sampan("build", "--reproducible", "-t", "built:dated", str(project))
    assert engine.out("run", "--rm", "built:dated", "stat", "-c", "%Y", "/work/data") == str(EPOCH + 1)
    engine.sampan("rmi", "built:dated")


def test_the_variable_dates_the_image_and_where_asked_its_files(
    engine: EngineProcess, project: Path, tmp_path: Path
) -> None:
    environment = {**engine.environment, "SOURCE_DATE_EPOCH": "1000000000"}
    found = []
    for output in ("type=image", "type=image,rewrite-timestamp=true"):
        engine.sampan("build", "-t", "built:epoch", "-o", output, str(project), env=environment)
        document = json.loads(engine.out("inspect", "built:epoch"))[0]
        found.append(document["Created"])
        time = engine.out("run", "--rm", "built:epoch", "stat", "-c", "%Y", "/etc/made")
        found.append(int(time) == 1_000_000_000)
    assert found == ["2001-09-09T01:46:40Z", False, "2001-09-09T01:46:40Z", True]
    output = "type=image,name=built:epoch,rewrite-timestamp=true"
    docker = DockerClient(engine, tmp_path)
    docker("build", "-o", output, "--build-arg", "SOURCE_DATE_EPOCH=1000000000", str(project))
    assert json.loads(engine.out("inspect", "built:epoch"))[0]["Created"] == found[0]
    assert engine.out("run", "--rm", "built:epoch", "stat", "-c", "%Y", "/etc/made") == "1000000000"
    wrong = engine.sampan("build", "--build-arg", "SOURCE_DATE_EPOCH=now", str(project), check=False)
    assert "invalid SOURCE_DATE_EPOCH: now" in wrong.stderr
    (project / "Dockerfile").write_text("FROM scratch\nCOPY data /\n")
    archive = tmp_path / "files.tar"
    engine.sampan("build", "-o", f"type=tar,dest={archive}", str(project), env=environment)
    with tarfile.open(archive) as tar:
        assert [member.mtime for member in tar] == [1_000_000_000]
    engine.sampan("rmi", "built:epoch")


def test_a_checkout_has_the_time_of_its_commit_until_it_is_changed(
    engine: EngineProcess, project: Path
) -> None:
    run(project, "init", "-q")
    run(project, "add", ".")
    run(project, "-c", "user.name=x", "commit", "-qm", "one", "--date=@1500000000")
    commit = int(run(project, "log", "-1", "--format=%ct"))
    (project / "Dockerfile").write_text("FROM scratch\nARG SOURCE_DATE_EPOCH\nENV T=$SOURCE_DATE_EPOCH\n")
    os.utime(project / "Dockerfile", (EPOCH + 9, EPOCH + 9))
    times = []
    for words in ((), ("commit", "-qam", "two")):
        if words:
            run(project, *words)
            commit = int(run(project, "log", "-1", "--format=%ct"))
        engine.sampan("build", "--reproducible", "-t", "built:commit", str(project))
        env = json.loads(engine.out("inspect", "built:commit"))[0]["Config"]["Env"]
        times.append(next(int(item[2:]) for item in env if item.startswith("T=")))
    assert times == [EPOCH + 9, commit]
    engine.sampan("rmi", "built:commit")


def test_a_check_names_the_step_and_the_paths_that_differ(engine: EngineProcess, project: Path) -> None:
    (project / "Dockerfile").write_text("FROM busybox\nCOPY data /a/\n")
    engine.sampan("build", "--reproducible=check", "-t", "built:checked", str(project))
    engine.sampan("rmi", "built:checked")
    with open(project / "Dockerfile", "a") as file:
        file.write(
            "RUN date >/when; cat /proc/sys/kernel/random/uuid >/a/id; touch /a/$(cat /a/id)\nRUN true\n"
        )
    failed = engine.sampan("build", "--reproducible=check", "-t", "built:checked", str(project), check=False)
    assert failed.returncode == 1
    assert "not reproducible: 1 of 3 steps differ when they run again: [3/4] RUN date >/when" in failed.stderr
    assert "/when: content differs from byte " in failed.stderr
    assert "/a/id: content differs from byte 0 on" in failed.stderr
    assert failed.stderr.count("is only in the first result") == failed.stderr.count(
        "only in the second result"
    )
    assert ">>> RUN date" in failed.stderr
    assert engine.out("images", "-q", "built:checked") == ""
