# SPDX-License-Identifier: Apache-2.0
"""Statements about an image, and the manifest that holds them in an index.

Implements: in-toto Statement 0.1; BuildKit's attestation storage (docs/attestations/attestation-storage.md), and the
same as an OCI artifact with a subject (image-spec 1.1, "Guidelines for Artifact Usage"; BuildKit's ``oci-artifact``),
which registries then list as a referrer of the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sampan.oci import media_type
from sampan.oci.descriptor import Descriptor, encode_descriptor
from sampan.oci.digest import Digest
from sampan.oci.document import JSONObject, encode_object
from sampan.oci.platform import Platform

STATEMENT_TYPE = "https://in-toto.io/Statement/v0.1"
IN_TOTO = "application/vnd.in-toto+json"
PREDICATE_TYPE = "in-toto.io/predicate-type"
ARTIFACT_TYPE = "application/vnd.docker.attestation.manifest.v1+json"
_EMPTY = "application/vnd.oci.empty.v1+json"
_REFERENCE_TYPE, _REFERENCE_DIGEST = "vnd.docker.reference.type", "vnd.docker.reference.digest"


@dataclass(frozen=True, slots=True)
class Statement:
    """A predicate of a type."""

    predicate_type: str
    predicate: JSONObject

    def encode(self, subject: Digest, names: Sequence[str]) -> bytes:
        """The in-toto statement about a manifest that is known by these package URLs."""
        digest = {subject.algorithm: subject.hex}
        return encode_object(
            {
                "_type": STATEMENT_TYPE,
                "predicateType": self.predicate_type,
                "subject": [{"name": name, "digest": digest} for name in names or ("_",)],
                "predicate": self.predicate,
            }
        )


def encode_attestation(
    statements: Sequence[Statement], subject: Descriptor, names: Sequence[str], *, is_artifact: bool
) -> tuple[Descriptor, dict[Digest, bytes]]:
    """The manifest's line in the index, and all bytes: the manifest, its config, and the statements."""
    layers, blobs = [], {}
    for statement in statements:
        raw = statement.encode(subject.digest, names)
        described = Descriptor.of(raw, IN_TOTO)
        blobs[described.digest] = raw
        layers.append(
            encode_descriptor(described) | {"annotations": {PREDICATE_TYPE: statement.predicate_type}}
        )
    config = b"{}" if is_artifact else _encode_config(list(blobs))
    described = Descriptor.of(config, _EMPTY if is_artifact else media_type.OCI_CONFIG)
    manifest: JSONObject = {
        "schemaVersion": 2,
        "mediaType": media_type.OCI_MANIFEST,
        "config": encode_descriptor(described),
        "layers": layers,
    }
    if is_artifact:
        manifest |= {"artifactType": ARTIFACT_TYPE, "subject": encode_descriptor(_bare(subject))}
    raw = encode_object(manifest)
    blobs |= {described.digest: config, Digest.of(raw): raw}
    return _line(raw, subject, is_artifact=is_artifact), blobs


def _line(raw: bytes, subject: Descriptor, *, is_artifact: bool) -> Descriptor:
    return Descriptor(
        media_type.OCI_MANIFEST,
        Digest.of(raw),
        len(raw),
        Platform("unknown", "unknown"),
        {_REFERENCE_DIGEST: str(subject.digest), _REFERENCE_TYPE: "attestation-manifest"},
        ARTIFACT_TYPE if is_artifact else "",
    )


def _bare(subject: Descriptor) -> Descriptor:
    return Descriptor(subject.media_type, subject.digest, subject.size)


def _encode_config(digests: Sequence[Digest]) -> bytes:
    """An image config that no engine takes for one of its images."""
    return encode_object(
        {
            "architecture": "unknown",
            "os": "unknown",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [str(digest) for digest in digests]},
        }
    )
