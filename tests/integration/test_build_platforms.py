# SPDX-License-Identifier: Apache-2.0
"""`sampan build` for several platforms, and where its results go: the store, registries, layouts, folders."""

from __future__ import annotations

import json
import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.engine_process import EngineProcess
from integration.registry_process import RegistryProcess, running_registry
from integration.several_platforms import BOTH, DOCKERFILE, inspect, platforms_of

# The head of a program for s390x: 64 bits, big endian.
_ELF = b"\x7fELF\x02\x02\x01" + bytes(9) + b"\x00\x02\x00\x16\x00\x00\x00\x01" + bytes(40)


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


def test_an_index_in_the_store_and_on_a_registry(
    engine: EngineProcess, project: Path, tmp_path: Path, registry: RegistryProcess
) -> None:
    name, metadata = f"{registry.host}/built:both", tmp_path / "metadata.json"
    annotations = ("--annotation", "a=1", "--annotation", "manifest-descriptor[linux/arm64]:b=2")
    engine.sampan(
        *("build", *BOTH, *annotations, "--annotation", "index:c=3", "-t", name, "--push"),
        *("--metadata-file", str(metadata), "--provenance=true", str(project)),
    )
    index = inspect(f"docker://{name}")
    assert platforms_of(index) == ["linux/amd64", "linux/arm64", "unknown/unknown", "unknown/unknown"]
    assert index["annotations"] == {"c": "3"}
    assert [one.get("annotations") for one in index["manifests"][:2]] == [None, {"b": "2"}]
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
        assert told[f"buildx.build.provenance/linux/{architecture}"]["buildType"]
    for architecture in ("amd64", "arm64"):
        word = engine.out("create", "--platform", f"linux/{architecture}", name, "x")
        engine.sampan("cp", f"{word}:/arch", str(tmp_path / architecture))
        engine.sampan("rm", word)
        assert (tmp_path / architecture).read_text() == f"for {architecture}\n"


def test_files_have_a_folder_for_each_platform(engine: EngineProcess, project: Path, tmp_path: Path) -> None:
    archive = tmp_path / "files.tar"
    engine.sampan("build", *BOTH, "-o", str(tmp_path / "out"), "-o", f"type=tar,dest={archive}", str(project))
    for architecture in ("amd64", "arm64"):
        folder = tmp_path / "out" / f"linux_{architecture}"
        assert (folder / "arch").read_text() == f"for {architecture}\n"
        assert (folder / "file").read_text() == "same\n"
    with tarfile.open(archive) as tar:
        names = [member.name for member in tar if member.isfile()]
    assert names == [f"linux_{one}/{name}" for one in ("amd64", "arm64") for name in ("arch", "file")]
    one = ("--platform", "linux/arm64", "-o", f"type=local,dest={tmp_path}/one,platform-split=true")
    engine.sampan("build", *one, str(project))
    assert os.listdir(tmp_path / "one") == ["linux_arm64"]


def test_layouts_are_read_by_others(engine: EngineProcess, project: Path, tmp_path: Path) -> None:
    layout, archive = tmp_path / "layout", tmp_path / "one.tar"
    place = f"type=oci,tar=false,dest={layout}"
    before = engine.out("images", "-aq")
    engine.sampan("build", *BOTH, "-t", "built:a", "-o", place, str(project))
    engine.sampan("build", "-t", "built:b", "-o", f"{place},compression=zstd", str(project))
    index = inspect(f"oci:{layout}:a")
    assert platforms_of(index) == ["linux/amd64", "linux/arm64"]
    one = inspect(f"oci:{layout}:b")
    assert {layer["mediaType"].rpartition("+")[2] for layer in one["layers"]} <= {"gzip", "zstd"}
    forced = f"type=docker,dest={archive},compression=uncompressed,force-compression=true"
    engine.sampan("build", "-t", "built:c", "-o", forced, str(project))
    with tarfile.open(archive) as tar:
        listed = tar.extractfile("manifest.json")
        assert listed is not None
        (item,) = json.load(listed)
        assert item["RepoTags"] == ["built:c"]
        sizes = [tar.getmember(name).size for name in item["Layers"]]
    assert all(size % 512 == 0 for size in sizes)
    assert inspect(f"docker-archive:{archive}", raw=False)["Architecture"] == "amd64"
    assert engine.out("images", "-aq") == before
    several = engine.sampan("build", *BOTH, "-o", f"type=docker,dest={archive}", str(project), check=False)
    assert "does not currently support exporting manifest lists" in several.stderr


def test_a_device_is_written_to_and_not_replaced(
    engine: EngineProcess, project: Path, tmp_path: Path
) -> None:
    device = tmp_path / "null"
    os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    engine.sampan("build", "-o", f"type=tar,dest={device}", str(project))
    assert stat.S_ISCHR(device.stat().st_mode)
    assert sorted(os.listdir(tmp_path)) == ["null", "project"]


@pytest.mark.parametrize("place", ["here", "registry"])
def test_a_name_of_several_platforms_is_built_upon(
    engine: EngineProcess, project: Path, tmp_path: Path, registry: RegistryProcess, place: str
) -> None:
    before = engine.out("images", "-aq")
    name = "built:both" if place == "here" else f"{registry.host}/built:base"
    if place == "here":
        engine.sampan("build", *BOTH, "-t", name, str(project))
    else:
        engine.sampan("build", *BOTH, "-t", name, "-o", "type=registry", str(project))
        engine.sampan("rmi", name)
        assert engine.out("images", "-aq") == before
    (project / "Dockerfile").write_text(f"FROM {name}\nCOPY file /second\n")
    engine.sampan("build", *BOTH, "-o", str(tmp_path / "out"), str(project))
    for architecture in ("amd64", "arm64"):
        assert (tmp_path / "out" / f"linux_{architecture}" / "arch").read_text() == f"for {architecture}\n"


def test_programs_of_other_machines_need_an_emulator(engine: EngineProcess, project: Path) -> None:
    (project / "foreign").write_bytes(_ELF)
    (project / "foreign").chmod(0o755)
    (project / "Dockerfile").write_text('FROM scratch\nCOPY foreign /\nRUN ["/foreign"]\n')
    failed = engine.sampan("build", "--platform", "linux/s390x", str(project), check=False)
    assert failed.returncode != 0
    assert "RUN for linux/s390x on linux/" in failed.stderr
    assert "qemu-user-static" in failed.stderr


def test_a_base_for_another_machine_is_warned_of_for_that_platform(
    engine: EngineProcess, project: Path
) -> None:
    (project / "Dockerfile").write_text("FROM busybox\nLABEL a=b\n")
    said = engine.sampan("build", *BOTH, str(project)).stderr
    assert 'was pulled with platform "linux/amd64", expected "linux/arm64"' in said
    assert 'expected "linux/amd64"' not in said


def test_what_has_no_name_is_not_pushed(engine: EngineProcess, project: Path) -> None:
    failed = engine.sampan("build", "--push", str(project), check=False)
    assert "tag is needed when pushing to registry" in failed.stderr
    assert "COPY" not in failed.stderr


def test_a_digest_is_pushed_without_a_tag(
    engine: EngineProcess, project: Path, tmp_path: Path, registry: RegistryProcess
) -> None:
    name, metadata = f"{registry.host}/built-untagged", tmp_path / "metadata.json"
    output = f"type=image,name={name},push-by-digest=true,name-canonical=true,push=true"
    for platforms in (BOTH, ()):
        engine.sampan("build", *platforms, "-o", output, "--metadata-file", str(metadata), str(project))
        digest = json.loads(metadata.read_text())["containerimage.digest"]
        assert ("manifests" in inspect(f"docker://{name}@{digest}")) is (platforms == BOTH)
    assert f"{name}:latest" not in engine.out("images", "--format", "{{.Repository}}:{{.Tag}}")
    engine.sampan("rmi", "-f", f"{name}@{digest}")
