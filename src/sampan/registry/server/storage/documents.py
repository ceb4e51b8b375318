# SPDX-License-Identifier: Apache-2.0
"""What a registry must know of a manifest or index: its kind, what it refers to, and what it is about.

Implements: OCI image-spec 1.1, manifest.md and image-index.md; Docker's schema 2 and manifest list.
Holds: the number of references is bounded; a document that could be read as two kinds is refused (CVE-2021-41190).
Pure. What the layers hold is nobody's business here: artifacts have media types of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sampan.oci import media_type
from sampan.oci.descriptor import Descriptor, decode_descriptor
from sampan.oci.document import (
    InvalidDocument,
    JSONObject,
    decode_object,
    get_list,
    get_string,
    get_string_map,
)

MAX_REFERENCES = 20_000
KINDS = media_type.MANIFESTS | media_type.INDEXES


@dataclass(frozen=True, slots=True)
class Document:
    """A manifest (config and layers are `blobs`) or an index (its children are `children`)."""

    media_type: str
    blobs: tuple[Descriptor, ...] = ()
    children: tuple[Descriptor, ...] = ()
    subject: Descriptor | None = None
    artifact_type: str = ""
    annotations: Mapping[str, str] | None = None

    @property
    def is_index(self) -> bool:
        """Whether it lists manifests."""
        return self.media_type in media_type.INDEXES


def decode_document(raw: bytes, declared: str = "") -> Document:
    """Read a manifest or index; `declared` is the Content-Type that it came with."""
    source = decode_object(raw, "manifest")
    kind = _kind(source, declared)
    if source.get("schemaVersion") != 2:
        raise InvalidDocument("schemaVersion is not 2")
    if kind in media_type.INDEXES:
        return _decode_index(source, kind)
    return _decode_manifest(source, kind)


def is_needed(blob: Descriptor) -> bool:
    """Whether a manifest's blob must be here: those that may not be distributed lie elsewhere."""
    kind = blob.media_type
    return "nondistributable" not in kind and ".foreign." not in kind and not blob.extra.get("urls")


def _kind(source: JSONObject, declared: str) -> str:
    stated = get_string(source, "mediaType", "manifest")
    if stated and declared and stated != declared:
        raise InvalidDocument(f"its mediaType is {stated!r}, the Content-Type {declared!r}")
    kind = stated or declared or (media_type.OCI_INDEX if "manifests" in source else media_type.OCI_MANIFEST)
    if kind not in KINDS:
        raise InvalidDocument(f"unsupported media type {kind!r}")
    others = ("config", "layers") if kind in media_type.INDEXES else ("manifests", "fsLayers")
    if any(key in source for key in others):
        raise InvalidDocument("it has fields of another kind of document")
    return kind


def _decode_manifest(source: JSONObject, kind: str) -> Document:
    layers = _decode_all(get_list(source, "layers", "manifest"), "layer")
    config = decode_descriptor(source.get("config"), "config")
    artifact = get_string(source, "artifactType", "manifest") or config.media_type
    return Document(
        kind,
        blobs=(config, *layers),
        subject=_decode_subject(source),
        artifact_type=artifact,
        annotations=get_string_map(source, "annotations", "manifest"),
    )


def _decode_index(source: JSONObject, kind: str) -> Document:
    return Document(
        kind,
        children=_decode_all(get_list(source, "manifests", "index"), "manifest"),
        subject=_decode_subject(source),
        artifact_type=get_string(source, "artifactType", "index"),
        annotations=get_string_map(source, "annotations", "index"),
    )


def _decode_all(items: list[object], what: str) -> tuple[Descriptor, ...]:
    if len(items) > MAX_REFERENCES:
        raise InvalidDocument(f"it has more than {MAX_REFERENCES} {what}s")
    return tuple(decode_descriptor(item, what) for item in items)


def _decode_subject(source: JSONObject) -> Descriptor | None:
    subject = source.get("subject")
    return None if subject is None else decode_descriptor(subject, "subject")
