# SPDX-License-Identifier: Apache-2.0
"""Which images an archive is said to hold."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_archives import make_config, sha256
from sampan.errors import DataCorrupt, NotFound, SampanError
from sampan.image.archive_plan import plan_load
from sampan.oci.digest import DigestMismatch
from sampan.oci.platform import Platform

AMD64 = Platform("linux", "amd64")
OCI = "application/vnd.oci.image."
CONFIG = make_config([b"layer"])


class Files(dict[str, bytes]):
    """An archive in memory."""

    def read(self, name: str) -> bytes:
        if name not in self:
            raise NotFound(name)
        return self[name]

    def find(self, name: str) -> object | None:
        return self.get(name)

    def blob(self, data: bytes, kind: str, **more: object) -> dict[str, object]:
        self[f"blobs/sha256/{sha256(data)}"] = data
        return {"mediaType": OCI + kind, "digest": f"sha256:{sha256(data)}", "size": len(data), **more}

    def manifest(self, config: bytes = CONFIG) -> bytes:
        layers = [{"mediaType": OCI + "layer.v1.tar", "digest": f"sha256:{sha256(b'layer')}", "size": 5}]
        return json.dumps(
            {"schemaVersion": 2, "config": self.blob(config, "config.v1+json"), "layers": layers}
        ).encode()

    def index(self, *manifests: dict[str, object]) -> bytes:
        return json.dumps({"schemaVersion": 2, "manifests": list(manifests)}).encode()


def docker(
    *tags: str, layers: tuple[str, ...] = ("l/layer.tar",), config: bytes = CONFIG, name: str = ""
) -> Files:
    name = name or f"{sha256(config)}.json"
    item = {"Config": name, "RepoTags": list(tags), "Layers": list(layers)}
    return Files({name: config, "manifest.json": json.dumps([item]).encode()})


def test_a_docker_archive_names_its_images() -> None:
    (image,) = plan_load(docker("x:1", "reg.test/y:2"), AMD64)
    assert [reference.familiar() for reference in image.references] == ["x:1", "reg.test/y:2"]
    assert image.layers == ("l/layer.tar",)
    assert image.config.image_id.hex == sha256(CONFIG)


def test_a_config_that_is_not_what_its_name_says_is_refused() -> None:
    with pytest.raises(DigestMismatch):
        plan_load(docker(name="0" * 64 + ".json"), AMD64)


def test_layers_must_be_those_of_the_config() -> None:
    with pytest.raises(DataCorrupt, match="has 2 layers, its config speaks of 1"):
        plan_load(docker(layers=("a", "b")), AMD64)


@pytest.mark.parametrize(
    ("annotations", "names"),
    [
        (
            {"io.containerd.image.name": "docker.io/library/x:1", "org.opencontainers.image.ref.name": "1"},
            ["x:1"],
        ),
        ({"org.opencontainers.image.ref.name": "x:1"}, ["x:1"]),
        ({"org.opencontainers.image.ref.name": "latest"}, []),
        ({"org.opencontainers.image.ref.name": "NOT A NAME:1"}, []),
        ({}, []),
    ],
)
def test_a_layouts_names_come_from_annotations(annotations: dict[str, str], names: list[str]) -> None:
    files = Files()
    entry = files.blob(files.manifest(), "manifest.v1+json", annotations=annotations)
    files["index.json"] = files.index(entry)
    (image,) = plan_load(files, AMD64)
    assert [reference.familiar() for reference in image.references] == names


def test_two_entries_for_one_manifest_are_two_names_of_one_image() -> None:
    files = Files()
    manifest = files.manifest()
    entries = [
        files.blob(manifest, "manifest.v1+json", annotations={"io.containerd.image.name": name})
        for name in ("docker.io/library/x:1", "docker.io/library/x:2")
    ]
    files["index.json"] = files.index(*entries)
    (image,) = plan_load(files, AMD64)
    assert [reference.familiar() for reference in image.references] == ["x:1", "x:2"]


def test_the_machines_platform_is_chosen_and_attestations_are_no_images() -> None:
    files = Files()
    other = make_config([b"layer"], Env=["OTHER=1"])
    inner = files.index(
        files.blob(
            files.manifest(other), "manifest.v1+json", platform={"os": "linux", "architecture": "arm64"}
        ),
        files.blob(files.manifest(), "manifest.v1+json", platform={"os": "linux", "architecture": "amd64"}),
        files.blob(
            b"{}",
            "manifest.v1+json",
            platform={"os": "unknown", "architecture": "unknown"},
            annotations={"vnd.docker.reference.type": "attestation-manifest"},
        ),
    )
    files["index.json"] = files.index(files.blob(inner, "index.v1+json"))
    (image,) = plan_load(files, AMD64)
    assert image.config.image_id.hex == sha256(CONFIG)


def test_an_archive_of_something_else_says_what_to_do() -> None:
    with pytest.raises(DataCorrupt, match=r"neither manifest\.json nor index\.json") as caught:
        plan_load(Files({"etc/passwd": b""}), AMD64)
    assert caught.value.hint is not None
    assert "import" in caught.value.hint


def test_indexes_of_indexes_end() -> None:
    files = Files()
    document = files.index(files.blob(files.manifest(), "manifest.v1+json"))
    for _ in range(6):
        document = files.index(files.blob(document, "index.v1+json"))
    files["index.json"] = document
    with pytest.raises(DataCorrupt, match="indexes of indexes"):
        plan_load(files, AMD64)


@given(st.binary(max_size=200) | st.text(alphabet='{}[]":,aConfigLayers0', max_size=80).map(str.encode))
def test_any_manifest_is_read_or_refused(text: bytes) -> None:
    with contextlib.suppress(SampanError):
        plan_load(Files({"manifest.json": text}), AMD64)
