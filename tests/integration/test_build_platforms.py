# SPDX-License-Identifier: Apache-2.0
"""`sampan build` for several platforms, and where its results go: the store, registries, layouts, folders."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.engine_process import EngineProcess
from integration.registry_process import RegistryProcess, running_registry

BOTH = ("--platform", "linux/amd64,linux/arm64")
DOCKERFILE = """\
FROM --platform=$BUILDPLATFORM busybox AS make
ARG TARGETARCH
RUN mkdir /out && echo "for $TARGETARCH" >/out/arch
FROM scratch
COPY --from=make /out /
COPY file /
WORKDIR /work
LABEL made=here
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "Dockerfile").write_text(DOCKERFILE)
    (folder / "file").write_text("same\n")
    return folder


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryProcess]:
    with running_registry(tmp_path_factory.mktemp("registry") / "data") as running:
        yield running


@pytest.fixture(autouse=True)
def tidy(engine: EngineProcess) -> Iterator[None]:
    yield
    names = engine.out("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    mine = [name for name in names if "built" in name]
    if mine:
        engine.sampan("rmi", "-f", *mine, check=False)
    engine.sampan("image", "prune", "-f", check=False)


def inspect(place: str, *options: str, raw: bool = True) -> Any:
    words = ["skopeo", "inspect", "--tls-verify=false", *(["--raw"] if raw else []), *options, place]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    return json.loads(done.stdout)


def platforms_of(index: dict[str, Any]) -> list[str]:
    return [f"{one['platform']['os']}/{one['platform']['architecture']}" for one in index["manifests"]]


def test_an_index_in_the_store_and_on_a_registry(
    engine: EngineProcess, project: Path, tmp_path: Path, registry: RegistryProcess
) -> None:
    name, metadata = f"{registry.host}/built:both", tmp_path / "metadata.json"
    annotations = ("--annotation", "a=1", "--annotation", "manifest-descriptor[linux/arm64]:b=2")
    engine.sampan(
        *("build", *BOTH, *annotations, "--annotation", "index:c=3", "-t", name, "--push"),
        *("--metadata-file", str(metadata), str(project)),
    )
    index = inspect(f"docker://{name}")
    assert platforms_of(index) == ["linux/amd64", "linux/arm64"]
    assert index["annotations"] == {"c": "3"}
    assert [one.get("annotations") for one in index["manifests"]] == [None, {"b": "2"}]
    for architecture in ("amd64", "arm64"):
        config = inspect(f"docker://{name}", "--config", f"--override-arch={architecture}")
        assert (config["architecture"], config["config"]["WorkingDir"]) == (architecture, "/work")
        manifest = inspect(f"docker://{name}", f"--override-arch={architecture}", raw=False)
        assert len(manifest["Layers"]) == 3
    told = json.loads(metadata.read_text())
    assert told["image.name"] == name
    assert told["containerimage.descriptor"]["digest"] == told["containerimage.digest"]
    assert told["containerimage.descriptor"]["mediaType"] == index["mediaType"]
    for architecture in ("amd64", "arm64"):
        word = engine.out("create", "--platform", f"linux/{architecture}", name, "x")
        engine.sampan("cp", f"{word}:/arch", str(tmp_path / architecture))
        engine.sampan("rm", word)
        assert (tmp_path / architecture).read_text() == f"for {architecture}\n"
