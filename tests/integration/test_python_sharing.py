# SPDX-License-Identifier: Apache-2.0
"""Pull, push and log in from Python, against a registry with passwords and TLS."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

import sampan
from integration.engine_process import EngineProcess
from integration.registry_process import PASSWORD, USER, RegistryProcess, running_registry


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryProcess]:
    with running_registry(tmp_path_factory.mktemp("guarded"), password=True) as running:
        yield running


@pytest.fixture
def client(engine: EngineProcess) -> Iterator[sampan.Client]:
    with sampan.connect(host=engine.environment["SAMPAN_HOST"]) as connected:
        yield connected


def test_an_image_goes_to_a_registry_and_comes_back(client: sampan.Client, guarded: RegistryProcess) -> None:
    name = f"{guarded.host}/from-python:1"
    client.images.tag("busybox", name)
    with pytest.raises(sampan.SampanError, match="no basic auth credentials"):
        client.images.push(name)
    with pytest.raises(sampan.errors.Unauthenticated, match="incorrect username or password"):
        client.login(USER, "wrong", guarded.host)
    client.login(USER, PASSWORD, guarded.host)
    lines: list[str] = []
    digest = client.images.push(name, on_progress=lines.append)
    assert digest.startswith("sha256:")
    assert any(line.endswith("Pushed") for line in lines)
    pushed = client.images.get(name).id
    client.images.remove(name)
    assert client.images.pull(name).id == pushed
    assert f"{guarded.host}/from-python@{digest}" in client.images.get(name).inspect()["RepoDigests"]
    client.images.remove(name)
    with pytest.raises(sampan.SampanError, match="manifest unknown"):
        client.images.pull(f"{guarded.host}/from-python:2")


def test_a_name_that_is_no_host_s_is_said(client: sampan.Client) -> None:
    with pytest.raises(sampan.SampanError, match=r"no such host|dial tcp|lookup|request canceled"):
        client.images.pull(f"no-such-host-{socket.gethostname()}.invalid/app")


def test_what_is_kept_by_the_command_line_is_used(
    engine: EngineProcess, guarded: RegistryProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    engine.sampan(
        "login",
        "-u",
        USER,
        "--password-stdin",
        guarded.host,
        input=PASSWORD,
        env=engine.environment | {"DOCKER_CONFIG": str(tmp_path)},
    )
    name = f"{guarded.host}/kept:1"
    with sampan.connect(host=engine.environment["SAMPAN_HOST"]) as client:
        client.images.tag("busybox", name)
        assert client.images.push(name)
        client.images.remove(name)
