# SPDX-License-Identifier: Apache-2.0
"""`docker buildx build` on our socket: several platforms, pushes, annotations, caches, and questions."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.docker_clients import DockerClient
from integration.engine_process import EngineProcess
from integration.registry_process import RegistryProcess, running_registry
from integration.several_platforms import BOTH, DOCKERFILE, inspect, platforms_of


@pytest.fixture(scope="module")
def docker(shared_engine: EngineProcess, tmp_path_factory: pytest.TempPathFactory) -> DockerClient:
    return DockerClient(shared_engine, tmp_path_factory.mktemp("docker-config"))


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryProcess]:
    with running_registry(tmp_path_factory.mktemp("registry") / "data") as running:
        yield running


@pytest.fixture
def project(engine: EngineProcess, tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "Dockerfile").write_text(DOCKERFILE)
    (folder / "file").write_text("same\n")
    yield folder
    names = engine.out("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    engine.sampan("rmi", "-f", *(name for name in names if "built" in name), check=False)
    engine.sampan("image", "prune", "-f", check=False)


def test_an_index_is_pushed(
    docker: DockerClient, project: Path, tmp_path: Path, registry: RegistryProcess
) -> None:
    name, metadata = f"{registry.host}/built:both", tmp_path / "metadata.json"
    said = docker(
        *("buildx", "build", "--no-cache", *BOTH, "-t", name, "--push", "--provenance=false"),
        *("--annotation", "a=1", "--annotation", "index:c=3", "--metadata-file", str(metadata)),
        str(project),
    ).stderr
    assert "[linux/amd64->arm64 make 2/2]" in said
    index = inspect(f"docker://{name}")
    assert platforms_of(index) == ["linux/amd64", "linux/arm64"]
    assert index["annotations"] == {"c": "3"}
    told = json.loads(metadata.read_text())
    assert told["containerimage.descriptor"]["digest"] == told["containerimage.digest"]
    assert told["image.name"].endswith(name)


def test_files_and_layouts_of_several_platforms(docker: DockerClient, project: Path, tmp_path: Path) -> None:
    docker("buildx", "build", *BOTH, "-o", str(tmp_path / "out"), str(project))
    for architecture in ("amd64", "arm64"):
        folder = tmp_path / "out" / f"linux_{architecture}"
        assert (folder / "arch").read_text() == f"for {architecture}\n"
    archive = tmp_path / "archive"
    output = f"type=oci,dest={archive}"
    docker("buildx", "build", *BOTH, "--provenance=false", "-t", "built:x", "-o", output, str(project))
    assert platforms_of(inspect(f"oci-archive:{archive}:x")) == ["linux/amd64", "linux/arm64"]


def test_caches_on_a_registry(
    docker: DockerClient, engine: EngineProcess, project: Path, registry: RegistryProcess
) -> None:
    place = f"type=registry,ref={registry.host}/cache:1"
    docker("buildx", "build", "--cache-to", place, "-t", "built:1", str(project))
    engine.sampan("rmi", "-f", "built:1")
    engine.sampan("builder", "prune", "-af")
    said = docker("buildx", "build", "--cache-from", place, "-t", "built:1", str(project)).stderr
    assert "importing cache manifest" in said
    assert said.count("CACHED") >= 3


def test_caches_and_layouts_in_a_folder(
    docker: DockerClient, engine: EngineProcess, project: Path, tmp_path: Path
) -> None:
    cache, layout = tmp_path / "cache", tmp_path / "layout"
    docker("buildx", "build", "--cache-to", f"type=local,dest={cache}", "-t", "built:1", str(project))
    engine.sampan("rmi", "-f", "built:1")
    engine.sampan("builder", "prune", "-af")
    said = docker("buildx", "build", "--cache-from", f"type=local,src={cache}", str(project)).stderr
    assert said.count("CACHED") >= 3
    output = f"type=oci,tar=false,dest={layout}"
    docker("buildx", "build", *BOTH, "--provenance=false", "-t", "built:x", "-o", output, str(project))
    assert platforms_of(inspect(f"oci:{layout}:x")) == ["linux/amd64", "linux/arm64"]
    skopeo = ("skopeo", "copy", "-q", "--all", f"oci:{layout}:x", f"dir:{tmp_path}/copied")
    subprocess.run(skopeo, check=True, timeout=60)


def test_questions_about_a_dockerfile(docker: DockerClient, project: Path) -> None:
    assert "make" in docker("buildx", "build", "--call", "targets", str(project)).stdout
    outline = docker("buildx", "build", "--call", "outline,format=json", str(project)).stdout
    assert "TARGETARCH" in outline
