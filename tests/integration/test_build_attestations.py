# SPDX-License-Identifier: Apache-2.0
"""`sampan build --provenance --sbom`: what is said of an image goes with it to archives and registries."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.docker_clients import DockerClient
from integration.engine_process import EngineProcess
from integration.registry_process import RegistryProcess, running_registry

DPKG = "Package: made-up\nStatus: install ok installed\nVersion: 1.0-1\nArchitecture: all\n"
DOCKERFILE = """\
FROM busybox
ARG TOKEN
COPY status /var/lib/dpkg/status
RUN --mount=type=secret,id=key echo 'ID=debian' >/etc/os-release
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryProcess]:
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "Dockerfile").write_text(DOCKERFILE)
    (folder / "status").write_text(DPKG)
    return folder


def _inspect(engine: EngineProcess, name: str, what: str) -> Any:
    return json.loads(
        engine.out("builder", "imagetools", "inspect", "--format", f"{{{{json .{what}}}}}", name)
    )


def test_they_are_pushed_beside_the_image(
    engine: EngineProcess, registry: RegistryProcess, project: Path, tmp_path: Path
) -> None:
    name = f"{registry.host}/attested:1"
    engine.sampan(
        "build", "-t", name, "--push", "--sbom=true", "--provenance=mode=max,builder-id=https://ci/7",
        "--build-arg", "TOKEN=shown", str(project),
    )  # fmt: skip
    provenance = _inspect(engine, name, "Provenance")["SLSA"]
    assert provenance["builder"] == {"id": "https://ci/7"}
    assert provenance["invocation"]["parameters"]["args"]["build-arg:TOKEN"] == "shown"
    assert provenance["invocation"]["parameters"]["secrets"] == [{"id": "key", "optional": True}]
    assert [material["uri"] for material in provenance["materials"]] == [
        "pkg:docker/busybox@latest?platform=linux%2Famd64"
    ]
    packages = _inspect(engine, name, "SBOM")["SPDX"]["packages"]
    assert [package["externalRefs"][0]["referenceLocator"] for package in packages[1:]] == [
        "pkg:deb/debian/made-up@1.0-1?arch=all&distro=debian"
    ]
    # Others read the image as ever, and copy it with all that is said of it.
    told = subprocess.run(
        ["skopeo", "inspect", "--tls-verify=false", f"docker://{name}"],
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert json.loads(told.stdout)["Architecture"] == "amd64"
    subprocess.run(
        ["skopeo", "copy", "-q", "--all", "--src-tls-verify=false", f"docker://{name}", f"oci:{tmp_path}/copy:1"],
        check=True, timeout=60,
    )  # fmt: skip
    index = _read_index(tmp_path / "copy")
    assert [line.get("annotations", {}).get("vnd.docker.reference.type") for line in index["manifests"]] == [
        None,
        "attestation-manifest",
    ]
    assert (
        index["manifests"][1]["annotations"]["vnd.docker.reference.digest"] == index["manifests"][0]["digest"]
    )
    # What is pushed later from the store is the same.
    engine.sampan("tag", name, f"{registry.host}/attested:2")
    engine.sampan("push", f"{registry.host}/attested:2")
    assert _inspect(engine, f"{registry.host}/attested:2", "Manifest") == _inspect(engine, name, "Manifest")
    assert engine.out("run", "--rm", name, "cat", "/etc/os-release") == "ID=debian"
    engine.sampan("rmi", name, f"{registry.host}/attested:2")


def test_the_least_provenance_is_in_an_archive(engine: EngineProcess, project: Path, tmp_path: Path) -> None:
    archive = tmp_path / "image.tar"
    engine.sampan(
        "build", "-o", f"type=oci,dest={archive}", "--attest", "type=provenance,mode=min,version=v1",
        "--build-arg", "TOKEN=hidden", str(project),
    )  # fmt: skip
    layout = tmp_path / "layout"
    subprocess.run(
        ["skopeo", "copy", "-q", "--all", f"oci-archive:{archive}", f"oci:{layout}:1"], check=True, timeout=60
    )
    index = _read_index(layout)
    manifest = _read_blob(layout, index["manifests"][1]["digest"])
    (layer,) = manifest["layers"]
    assert layer["annotations"] == {"in-toto.io/predicate-type": "https://slsa.dev/provenance/v1"}
    statement = _read_blob(layout, layer["digest"])
    assert statement["subject"][0]["digest"] == {"sha256": index["manifests"][0]["digest"].partition(":")[2]}
    definition = statement["predicate"]["buildDefinition"]
    assert definition["externalParameters"]["configSource"] == {"path": "Dockerfile"}
    assert "hidden" not in json.dumps(statement)


def test_as_artifacts_they_are_referrers_of_the_image(
    engine: EngineProcess, registry: RegistryProcess, project: Path
) -> None:
    name = f"{registry.host}/referred:1"
    output = f"type=image,name={name},push=true,oci-artifact=true"
    engine.sampan("build", "-o", output, "--provenance=true", "--sbom=false", str(project))
    image, attestation = json.loads(engine.out("builder", "imagetools", "inspect", "--raw", name))[
        "manifests"
    ]
    # This registry keeps no list of referrers: clients keep it under a tag.
    tag = image["digest"].replace(":", "-")
    request = urllib.request.Request(
        f"http://{registry.host}/v2/referred/manifests/{tag}",
        headers={"Accept": "application/vnd.oci.image.index.v1+json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        (referrer,) = json.load(answer)["manifests"]
    assert referrer["digest"] == attestation["digest"]
    assert referrer["artifactType"] == "application/vnd.docker.attestation.manifest.v1+json"
    engine.sampan("rmi", name)


def test_a_reproducible_image_has_its_digest_with_and_without_them(
    engine: EngineProcess, registry: RegistryProcess, project: Path
) -> None:
    digests = []
    for number, words in enumerate(((), ("--provenance=true", "--sbom=true"))):
        name = f"{registry.host}/same:{number}"
        engine.sampan("build", "--reproducible", "--push", "-t", name, *words, str(project))
        document = json.loads(engine.out("builder", "imagetools", "inspect", "--raw", name))
        if words:
            digests.append(document["manifests"][0]["digest"])
            assert _inspect(engine, name, "Provenance")["SLSA"]["metadata"]["reproducible"] is True
        else:
            digests.append(_inspect(engine, name, "Manifest")["digest"])
        engine.sampan("rmi", name)
    assert digests[0] == digests[1]


def test_those_of_several_platforms_are_told_apart(
    engine: EngineProcess, registry: RegistryProcess, project: Path
) -> None:
    (project / "Dockerfile").write_text("FROM scratch\nCOPY status /var/lib/dpkg/status\n")
    name, platforms = f"{registry.host}/several:1", ["linux/amd64", "linux/arm64"]
    engine.sampan(
        "build", "--platform", ",".join(platforms), "--sbom=true", "--push", "-t", name, str(project)
    )
    told = _inspect(engine, name, "SBOM")
    assert list(told) == platforms
    images = [told[platform]["SPDX"]["packages"][0]["versionInfo"] for platform in platforms]
    index = json.loads(engine.out("builder", "imagetools", "inspect", "--raw", name))["manifests"]
    assert images == [line["digest"] for line in index[:2]]
    assert len(index) == 4
    engine.sampan("rmi", name)


def test_dockers_own_clients_ask_for_them_and_read_them(
    engine: EngineProcess, registry: RegistryProcess, project: Path, tmp_path: Path
) -> None:
    docker, name = DockerClient(engine, tmp_path), f"{registry.host}/docker:1"
    words = ("--provenance=mode=max,version=v1", "--sbom=true", "--push", "-t", name)
    docker("buildx", "build", *words, str(project))
    for what in ("Provenance", "SBOM"):
        told = docker.out("buildx", "imagetools", "inspect", "--format", f"{{{{json .{what}}}}}", name)
        assert json.loads(told) == _inspect(engine, name, what)
    assert "buildDefinition" in _inspect(engine, name, "Provenance")["SLSA"]
    docker("buildx", "build", "--push", "-t", name, str(project))
    assert _inspect(engine, name, "Manifest")["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
    engine.sampan("rmi", name)


def test_other_generators_are_refused_by_name(engine: EngineProcess, project: Path) -> None:
    failed = engine.sampan("build", "--sbom=generator=docker/scout", str(project), check=False)
    assert "--sbom=generator=docker/scout: other generators are not supported" in failed.stderr


def _read_index(layout: Path) -> Any:
    (line,) = json.loads((layout / "index.json").read_text())["manifests"]
    return _read_blob(layout, line["digest"])


def _read_blob(layout: Path, digest: str) -> Any:
    return json.loads((layout / "blobs" / digest.replace(":", "/")).read_text())
