# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from sampan.build.attestation.facts import BuildFacts, Secret, image_url
from sampan.build.attestation.options import Attestations, ProvenanceOptions, parse_attestations
from sampan.build.attestation.provenance import Invocation, make_provenance
from sampan.build.attestation.statement import Statement, encode_attestation
from sampan.build.dockerfile.location import Source
from sampan.errors import InvalidArgument, Unsupported
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest
from sampan.oci.manifest import decode_manifest
from sampan.oci.platform import Platform
from sampan.oci.reference import parse_reference

AMD64 = Platform("linux", "amd64")
SUBJECT = Descriptor.of(b"manifest", "application/vnd.oci.image.manifest.v1+json")


def test_what_is_asked_for_is_read_as_buildkit_reads_it() -> None:
    assert parse_attestations({}) == Attestations()
    assert parse_attestations({"provenance": ""}) == Attestations(ProvenanceOptions())
    assert parse_attestations({"provenance": "type=provenance"}) == Attestations(ProvenanceOptions())
    assert parse_attestations(
        {"provenance": "mode=min,version=v1,builder-id=ci", "sbom": ""}
    ) == Attestations(ProvenanceOptions(is_full=False, version="v1", builder_id="ci"), sbom=True)
    assert not parse_attestations({"provenance": "mode=min,inline-only=true", "sbom": "disabled=true"})


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        ({"provenance": "mode=most"}, InvalidArgument, "invalid provenance mode most"),
        ({"provenance": "version=v9"}, InvalidArgument, "invalid provenance version v9"),
        ({"provenance": "colour=red"}, InvalidArgument, "unknown parameter colour"),
        ({"sbom": "generator=scan:1"}, Unsupported, "generator=scan:1"),
        ({"vex": ""}, Unsupported, "type=vex"),
        ({"sbom": "disabled=maybe"}, InvalidArgument, "neither true nor false"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(
    words: dict[str, str], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        parse_attestations(words)


def test_an_attestation_says_which_image_it_is_about_and_names_all_its_blobs() -> None:
    line, blobs = encode_attestation(
        [Statement("https://a", {"x": 1}), Statement("https://b", {})],
        SUBJECT,
        ["pkg:one"],
        is_artifact=False,
    )
    assert line.platform == Platform("unknown", "unknown")
    assert line.annotations == {
        "vnd.docker.reference.digest": str(SUBJECT.digest),
        "vnd.docker.reference.type": "attestation-manifest",
    }
    manifest = decode_manifest(blobs[line.digest])
    assert {manifest.config.digest, line.digest, *(layer.digest for layer in manifest.layers)} == set(blobs)
    assert [layer.annotations["in-toto.io/predicate-type"] for layer in manifest.layers] == [
        "https://a",
        "https://b",
    ]
    statement = json.loads(blobs[manifest.layers[0].digest])
    assert statement["predicateType"] == "https://a"
    assert statement["subject"] == [{"name": "pkg:one", "digest": {"sha256": SUBJECT.digest.hex}}]
    config = json.loads(blobs[manifest.config.digest])
    assert config["rootfs"]["diff_ids"] == [str(layer.digest) for layer in manifest.layers]


def test_as_an_artifact_it_refers_to_its_image() -> None:
    line, blobs = encode_attestation([Statement("https://a", {})], SUBJECT, [], is_artifact=True)
    document = json.loads(blobs[line.digest])
    assert document["subject"]["digest"] == str(SUBJECT.digest)
    assert document["artifactType"] == line.artifact_type
    assert blobs[Digest.of(b"{}")] == b"{}"


def _facts() -> BuildFacts:
    facts = BuildFacts({"build-arg:TOKEN": "very-private", "label:a": "b", "target": "web"})
    facts.source = Source("Dockerfile", "FROM busybox\n")
    facts.materials[image_url(parse_reference("busybox"), AMD64)] = ("sha256", "ab" * 32)
    facts.note_git("https://host/app.git#main", "c" * 40)
    facts.revision = {"revision": "e" * 40}
    facts.secrets["key"] = Secret("key", is_optional=True)
    return facts


@pytest.mark.parametrize("version", ["v0.2", "v1"])
def test_the_least_provenance_has_materials_and_nothing_that_was_passed(version: str) -> None:
    options = ProvenanceOptions(is_full=False, version=version, builder_id="https://ci/1")
    statement = make_provenance(_facts(), options, Invocation.new(AMD64), [SUBJECT])
    text = json.dumps(statement.predicate)
    assert "very-private" not in text
    assert "FROM busybox" not in base64.b64encode(text.encode()).decode()
    assert "key" not in text.replace("https://mobyproject.org/buildkit", "")
    assert "https://ci/1" in text
    assert '"vcs": {"revision": "eeee' in text
    materials = (
        statement.predicate.get("materials") or statement.predicate["buildDefinition"]["resolvedDependencies"]
    )
    assert materials == [
        {"uri": "https://host/app.git#main", "digest": {"sha1": "c" * 40}},
        {"uri": "pkg:docker/busybox@latest?platform=linux%2Famd64", "digest": {"sha256": "ab" * 32}},
    ]


def test_the_most_has_the_arguments_the_dockerfile_and_the_names_of_secrets() -> None:
    predicate = make_provenance(_facts(), ProvenanceOptions(), Invocation.new(AMD64), [SUBJECT]).predicate
    parameters = predicate["invocation"]["parameters"]
    assert parameters["args"] == {"build-arg:TOKEN": "very-private", "label:a": "b", "target": "web"}
    assert parameters["secrets"] == [{"id": "key", "optional": True}]
    assert parameters["locals"] == [{"name": "context"}, {"name": "dockerfile"}]
    details = predicate["metadata"]["https://mobyproject.org/buildkit@v1#metadata"]
    assert base64.b64decode(details["source"]["infos"][0]["data"]) == b"FROM busybox\n"
    assert details["layers"]["image:0"][0][0]["digest"] == str(SUBJECT.digest)
    assert predicate["metadata"]["buildStartedOn"] <= predicate["metadata"]["buildFinishedOn"]


def test_a_remote_context_is_the_source(tmp_path: Path) -> None:
    facts = _facts()
    facts.remote, facts.remote_commit = "https://host/app.git", "d" * 40
    (tmp_path / "file").write_bytes(b"x")
    facts.note_download("https://host/x", str(tmp_path / "file"))
    predicate = make_provenance(facts, ProvenanceOptions(), Invocation.new(AMD64), []).predicate
    assert predicate["invocation"]["configSource"] == {
        "uri": "https://host/app.git",
        "digest": {"sha1": "d" * 40},
        "entryPoint": "Dockerfile",
    }
    assert "locals" not in predicate["invocation"]["parameters"]
    assert {"uri": "https://host/x", "digest": {"sha256": Digest.of(b"x").hex}} in predicate["materials"]
