# SPDX-License-Identifier: Apache-2.0
"""Builds of every client are in one history, which `sampan builder history` and `docker buildx history` show."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from integration.docker_clients import DockerClient
from integration.engine_process import EngineProcess

FAILING = """\
FROM busybox AS base
ARG COLOUR=red
RUN echo first
RUN echo last words && exit 3
"""


@pytest.fixture(scope="module")
def docker(shared_engine: EngineProcess, tmp_path_factory: pytest.TempPathFactory) -> DockerClient:
    return DockerClient(shared_engine, tmp_path_factory.mktemp("docker"))


@pytest.fixture(scope="module")
def engine(
    shared_engine: EngineProcess, docker: DockerClient, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EngineProcess]:
    """The session's engine, on which each kind of client has built something."""
    project = tmp_path_factory.mktemp("project")
    (project / "Dockerfile").write_text(FAILING)
    shared_engine.sampan("builder", "history", "rm", "--all")
    place = str(project)
    shared_engine.sampan("build", "--target", "base", "--build-arg", "COLOUR=blue", place, check=False)
    (project / "Dockerfile").write_text("FROM busybox\nRUN echo classic\n")
    docker("build", place, env={**docker.environment, "DOCKER_BUILDKIT": "0"})
    (project / "Dockerfile").write_text("FROM busybox\nRUN echo buildkit\nMAINTAINER me\n")
    docker("buildx", "build", place)
    yield shared_engine
    shared_engine.sampan("builder", "history", "rm", "--all")


def listed(engine: EngineProcess, *flags: str) -> list[dict[str, object]]:
    said = engine.out("builder", "history", "ls", "--format", "json", *flags)
    return [json.loads(line) for line in said.splitlines()]


def test_all_of_them_are_listed_the_last_one_first(engine: EngineProcess) -> None:
    lines = engine.out("builder", "history", "ls").splitlines()
    assert lines[0].split() == ["BUILD", "ID", "NAME", "STATUS", "CREATED", "AT", "DURATION"]
    clients = engine.out("builder", "history", "ls", "--format", "{{.Client}} {{.Status}}").splitlines()
    assert clients == ["buildkit Completed", "classic Completed", "sampan Error"]
    assert [build["status"] for build in listed(engine, "--filter", "status=error")] == ["Error"]
    assert listed(engine, "--filter", "startedAt>1h", "--filter", "status!=error") == listed(engine)[:2]
    wrong = engine.sampan("builder", "history", "ls", "--filter", "size=3", check=False)
    assert 'unsupported filter "size=3"' in wrong.stderr


def test_a_failure_is_told_with_its_lines_and_its_last_words(engine: EngineProcess) -> None:
    found = json.loads(engine.out("builder", "history", "inspect", "--format", "json", "^2"))
    assert found["BuildArgs"] == [{"Name": "COLOUR", "Value": "blue"}]
    assert found["Error"]["Logs"] == ["last words"]
    assert found["Error"]["Code"] == 3
    assert found["Materials"][0]["URI"].startswith("pkg:docker/busybox@latest?platform=")
    shown = engine.out("builder", "history", "inspect", "^2")
    assert "   4 | >>> RUN echo last words && exit 3" in shown
    assert "COLOUR    blue" in shown
    assert engine.out("builder", "history", "inspect", "--format", "{{.Status}}", "^2") == "failed"


def test_the_log_is_what_the_build_said(engine: EngineProcess) -> None:
    said = engine.sampan("builder", "history", "logs", "^2").stderr
    assert "echo last words && exit 3\n" in said
    assert "last words\n" in said
    assert "ERROR: process" in said
    raw = engine.sampan("builder", "history", "logs", "--progress", "rawjson", "^1").stderr
    assert {key for line in raw.splitlines() for key in json.loads(line)} >= {"vertexes", "logs"}
    frame = engine.sampan("builder", "history", "logs", "--progress", "tty").stderr
    assert frame.splitlines()[0].endswith("FINISHED")


def test_buildx_shows_the_same(engine: EngineProcess, docker: DockerClient) -> None:
    refs = [build["ref"] for build in listed(engine)]
    said = docker("buildx", "history", "ls", "--format", "{{.Ref}}").stdout
    assert said.split() == refs
    only = docker("buildx", "history", "ls", "--filter", "status=error", "--format", "{{.Ref}}")
    assert only.stdout.split() == refs[2:]
    shown = docker("buildx", "history", "inspect", str(refs[2])).stdout
    assert "did not complete successfully: exit code: 3" in shown
    assert "last words" in docker("buildx", "history", "logs", str(refs[2])).stderr
    assert "(line 3)" in docker("buildx", "history", "logs", str(refs[0])).stderr
