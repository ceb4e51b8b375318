# SPDX-License-Identifier: Apache-2.0
"""Every project of tests/cases/compose is brought up, looked at, brought up again, and taken down.

A case's `expect.toml` says what must be true when it is up, besides that each service has its containers and they
run, that a second `up` changes nothing, and that `down` leaves nothing:

    status, says       of `up`: its exit status, and words of what it tells
    up, before, after  flags of `up`; commands of ours before it and after `down`
    environment        variables of the command line
    states             states of containers by their names without the project's, where not all run
    prints, logs       SERVICE = {command = output, …}; SERVICE = [words, …]
    inspect            SERVICE = {"HostConfig.Memory" = 1024, …}
    networks, volumes, images  the same of what is named so
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from compose_cases import CASES, case_names, load_case
from integration.compose_project import SERVICE, ComposeProject, open_case, pick, read_expectations
from integration.engine_process import SAMPAN, EngineProcess

pytestmark = pytest.mark.long

AT_ONCE = 4
RUN = [name for name in case_names() if not (CASES / name / "not-run").exists()]


@pytest.fixture(scope="module")
def lives(
    shared_engine: EngineProcess,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, Future[None]]]:
    """The projects that are tested, some at the same time: most of a life is waiting for others."""
    wanted = [name for name in RUN if any(is_life(item, name) for item in request.session.items)]
    directory = tmp_path_factory.mktemp("cases")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {name: pool.submit(live, shared_engine, name, directory) for name in wanted}


def is_life(item: pytest.Item, name: str) -> bool:
    return item.name == f"test_a_project_lives[{name}]"


@pytest.mark.parametrize("name", RUN)
def test_a_project_lives(name: str, lives: dict[str, Future[None]]) -> None:
    lives[name].result(120)


def test_there_are_enough_of_them() -> None:
    assert len(RUN) >= 40


def live(engine: EngineProcess, name: str, directory: Path) -> None:
    """The whole life of one."""
    expected = read_expectations(name)
    project = open_case(engine, name, directory)
    project.environment |= expected.get("environment", {})
    try:
        for words in expected.get("before", ()):
            project.run([*SAMPAN, *words])
        done = project.compose(
            "--progress", "plain", "up", "-d", *expected.get("up", ()), check=not expected.get("status")
        )
        assert done.returncode == expected.get("status", 0), done.stderr
        for words in expected.get("says", ()):
            assert words in done.stderr
        check(project, expected)
        if not done.returncode:
            check_second_up(project, expected)
        project.down()
        assert project.left() == []
    finally:
        project.close()
        for words in expected.get("after", ()):
            project.run([*SAMPAN, *words], check=False)


def check(project: ComposeProject, expected: dict[str, Any]) -> None:
    """Everything that the expectations say."""
    states = expected.get("states", {})
    found = project.states()
    assert found == {**dict.fromkeys(found, "running"), **states}
    if not expected.get("status"):
        wanted = {
            f"{name} {service.replicas}"
            for name, service in load_case(project.place).services.items()
            if service.replicas
        }
        counts = Counter(item["Labels"][SERVICE] for item in project.containers())
        assert {f"{name} {count}" for name, count in counts.items()} == wanted
    for service, commands in expected.get("prints", {}).items():
        for command, output in commands.items():
            assert project.prints(service, command) == output, (service, command)
    for service, words in expected.get("logs", {}).items():
        for word in words:
            assert word in project.logs(service), service
    check_documents(project, expected)


def check_documents(project: ComposeProject, expected: dict[str, Any]) -> None:
    """Parts of what the engine tells of containers, networks and volumes."""
    api = project.engine_api
    for kind, read in (
        ("inspect", project.inspect),
        ("networks", api.networks.inspect),
        ("volumes", api.volumes.inspect),
        ("images", api.images.inspect),
    ):
        for name, parts in expected.get(kind, {}).items():
            document = read(name.replace("PROJECT", project.name))
            for path, value in parts.items():
                assert pick(document, path) == value, (name, path, pick(document, path))


def check_second_up(project: ComposeProject, expected: dict[str, Any]) -> None:
    """It changes nothing."""
    before = project.ids()
    project.up(*expected.get("up", ()))
    assert project.ids() == before
