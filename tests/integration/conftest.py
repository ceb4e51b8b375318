# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.engine_process import CommandLine, EngineProcess, running_engine


@pytest.fixture(scope="session")
def shared_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    with running_engine(tmp_path_factory.mktemp("engine")) as engine:
        yield engine


@pytest.fixture(scope="module")
def tidy_engine(shared_engine: EngineProcess) -> EngineProcess:
    """The session's engine without the nameless images that the builds of other files left."""
    shared_engine.remove_nameless_images()
    return shared_engine


@pytest.fixture
def engine(tidy_engine: EngineProcess) -> Iterator[EngineProcess]:
    """The session's engine; whatever containers a test leaves are removed, and nothing may be left of them."""
    yield tidy_engine
    tidy_engine.remove_everything()
    tidy_engine.assert_nothing_runs()


@pytest.fixture(params=["sampan", "docker"])
def cli(engine: EngineProcess, request: pytest.FixtureRequest) -> CommandLine:
    """Each of the two command lines in turn, on the session's engine."""
    if shutil.which(request.param) is None and request.param == "docker":
        pytest.skip("the docker command line is not on this machine")
    return CommandLine(engine, request.param)


@pytest.fixture
def own_engine(tmp_path: Path) -> Iterator[EngineProcess]:
    """An engine of the test's own: it may be killed."""
    with running_engine(tmp_path) as engine:
        yield engine
