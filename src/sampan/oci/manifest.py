# SPDX-License-Identifier: Apache-2.0
"""Image manifests: a config and the layers it is about.

Implements: OCI image-spec 1.1, manifest.md; Docker image manifest version 2, schema 2.
Holds: `raw` is what came and what `digest` is of; nothing here serialises a manifest that was read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sampan.oci import media_type
from sampan.oci.descriptor import Descriptor, decode_descriptor, encode_descriptor
from sampan.oci.digest import Digest
from sampan.oci.document import (
    InvalidDocument,
    JSONObject,
    decode_object,
    encode_object,
    get_list,
    get_string,
    get_string_map,
)


@dataclass(frozen=True, slots=True)
class Manifest:
    """One image for one platform."""

    raw: bytes
    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: Mapping[str, str]

    @property
    def digest(self) -> Digest:
        """The manifest's own digest."""
        return Digest.of(self.raw)

    @property
    def descriptor(self) -> Descriptor:
        """What an index would say about this manifest."""
        return Descriptor.of(self.raw, self.media_type)


def decode_manifest(raw: bytes, declared_type: str = "") -> Manifest:
    """Read a manifest; `declared_type` is the media type that came with it, for those that do not say."""
    source = decode_object(raw, "manifest")
    kind = get_string(source, "mediaType", "manifest") or declared_type or _guess_type(source)
    if kind not in media_type.MANIFESTS:
        raise InvalidDocument(f"manifest has the unsupported media type {kind!r}")
    if "manifests" in source or "fsLayers" in source:
        # CVE-2021-41190: one document must not be readable both as a manifest and as an index.
        raise InvalidDocument("manifest has fields of another kind of document")
    return Manifest(
        raw=raw,
        media_type=kind,
        config=decode_descriptor(source.get("config"), "manifest config"),
        layers=tuple(
            decode_descriptor(layer, "manifest layer") for layer in get_list(source, "layers", "manifest")
        ),
        annotations=get_string_map(source, "annotations", "manifest"),
    )


def encode_manifest(
    config: Descriptor,
    layers: Sequence[Descriptor],
    *,
    docker: bool = False,
    annotations: Mapping[str, str] | None = None,
) -> bytes:
    """A new manifest's bytes: OCI's, or Docker's schema 2."""
    fields: JSONObject = {
        "schemaVersion": 2,
        "mediaType": media_type.DOCKER_MANIFEST if docker else media_type.OCI_MANIFEST,
        "config": encode_descriptor(config),
        "layers": [encode_descriptor(layer) for layer in layers],
    }
    if annotations:
        fields["annotations"] = dict(annotations)
    return encode_object(fields)


def _guess_type(source: JSONObject) -> str:
    config = source.get("config")
    if isinstance(config, dict) and config.get("mediaType") == media_type.DOCKER_CONFIG:
        return media_type.DOCKER_MANIFEST
    return media_type.OCI_MANIFEST
