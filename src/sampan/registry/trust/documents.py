# SPDX-License-Identifier: Apache-2.0
"""Signatures as a registry keeps them: a manifest whose layers are the signed payloads.

Implements: cosign's signature manifest: layers of the simple signing type, the signature in an annotation, a config
that lists the payloads as if they were layers; with a subject and an artifact type where OCI 1.1 is spoken.
Holds: what a manifest has that is not ours is kept when a signature is added; the number of signatures is bounded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from sampan.oci import media_type
from sampan.oci.descriptor import Descriptor, encode_descriptor
from sampan.oci.document import InvalidDocument, JSONObject, encode_object
from sampan.oci.manifest import decode_manifest
from sampan.registry.trust.payload import MAX_PAYLOAD_BYTES
from sampan.registry.trust.signature import SIGNATURE_ANNOTATION, Signature

SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
ARTIFACT_TYPE = "application/vnd.dev.cosign.artifact.sig.v1+json"
MAX_SIGNATURES = 100
_EPOCH = "0001-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class SignatureDocument:
    """What a signature manifest lists."""

    layers: tuple[Descriptor, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def signatures(self) -> tuple[Descriptor, ...]:
        """The layers that may be signatures which we can check."""
        return tuple(
            one
            for one in self.layers
            if one.media_type == SIMPLE_SIGNING
            and SIGNATURE_ANNOTATION in one.annotations
            and one.size <= MAX_PAYLOAD_BYTES
        )


@dataclass(frozen=True, slots=True)
class Encoded:
    """A manifest to push, and the config that has to be there first."""

    raw: bytes
    config: bytes
    artifact_type: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def descriptor(self) -> Descriptor:
        """What a list of referrers says of it."""
        described = Descriptor.of(self.raw, media_type.OCI_MANIFEST)
        return replace(described, artifact_type=self.artifact_type, annotations=self.annotations)


def describe_signature(signature: Signature) -> Descriptor:
    """The layer of one signature."""
    return Descriptor(
        SIMPLE_SIGNING,
        signature.digest,
        len(signature.payload),
        annotations=dict(signature.annotations),
    )


def decode_document(raw: bytes, kind: str) -> SignatureDocument:
    """Read a signature manifest."""
    manifest = decode_manifest(raw, kind)
    if len(manifest.layers) > MAX_SIGNATURES:
        raise InvalidDocument(
            f"signature manifest {manifest.digest.short} lists {len(manifest.layers)} signatures, more than the"
            f" limit of {MAX_SIGNATURES}"
        )
    return SignatureDocument(manifest.layers, manifest.annotations)


def encode_document(document: SignatureDocument) -> Encoded:
    """The manifest that stands at the tag."""
    config = _encode_config(document.layers)
    return Encoded(_encode_manifest(document, config, media_type.OCI_CONFIG), config)


def encode_referrer(document: SignatureDocument, subject: Descriptor) -> Encoded:
    """The manifest that refers to what is signed."""
    config = _encode_config(document.layers)
    raw = _encode_manifest(
        document, config, ARTIFACT_TYPE, artifactType=ARTIFACT_TYPE, subject=describe_subject(subject)
    )
    return Encoded(raw, config, ARTIFACT_TYPE)


def describe_subject(subject: Descriptor) -> JSONObject:
    """What a referrer says of what it is about: nothing that an index or a list has added."""
    return {"mediaType": subject.media_type, "digest": str(subject.digest), "size": subject.size}


def _encode_manifest(
    document: SignatureDocument, config: bytes, config_type: str, **further: object
) -> bytes:
    fields: JSONObject = {
        "schemaVersion": 2,
        "mediaType": media_type.OCI_MANIFEST,
        "config": encode_descriptor(Descriptor.of(config, config_type)),
        "layers": [encode_descriptor(layer) for layer in document.layers],
    }
    if document.annotations:
        fields["annotations"] = dict(document.annotations)
    return encode_object(fields | further)


def _encode_config(layers: Sequence[Descriptor]) -> bytes:
    return encode_object(
        {
            "architecture": "",
            "created": _EPOCH,
            "history": [{"created": _EPOCH} for _ in layers],
            "os": "",
            "rootfs": {"type": "layers", "diff_ids": [str(layer.digest) for layer in layers]},
            "config": {},
        }
    )
