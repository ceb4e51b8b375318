# SPDX-License-Identifier: Apache-2.0
"""Attestations that stand in an index beside its images: which are here, and which blobs they are made of.

Implements: BuildKit's attestation storage (docs/attestations/attestation-storage.md): manifests for the platform
unknown/unknown. They come into the store with a build that makes them, not with a pull.
"""

from __future__ import annotations

from collections.abc import Iterator

from sampan.content.store import ContentStore
from sampan.errors import SampanError
from sampan.oci.descriptor import Descriptor, decode_descriptor
from sampan.oci.digest import Digest
from sampan.oci.document import decode_object, get_string
from sampan.oci.index import Index, decode_index, is_attestation
from sampan.oci.manifest import Manifest, decode_manifest


def find_attachments(content: ContentStore, index: Index) -> dict[Digest, Manifest]:
    """Those of an index that are here with all that they name, by the digests of their manifests."""
    found = {}
    for child in index.manifests:
        if is_attestation(child) and (manifest := _read(content, child)) is not None:
            found[child.digest] = manifest
    return found


def iter_blobs(manifest: Manifest) -> Iterator[Descriptor]:
    """What a manifest names."""
    yield manifest.config
    yield from manifest.layers


def subject_of(manifest: Manifest) -> Digest | None:
    """The image that an attestation refers to by itself, not only by its line in the index."""
    subject = decode_object(manifest.raw, "manifest").get("subject")
    return decode_descriptor(subject, "subject").digest if subject is not None else None


def artifact_type_of(manifest: Manifest) -> str:
    """What a registry is to say of it in its list of referrers."""
    return get_string(decode_object(manifest.raw, "manifest"), "artifactType", "manifest")


def iter_attached_digests(content: ContentStore, index: Descriptor) -> Iterator[Digest]:
    """All blobs of the attestations of an index of the store."""
    try:
        decoded = decode_index(content.read(index.digest), index.media_type)
    except SampanError:
        return
    for digest, manifest in find_attachments(content, decoded).items():
        yield digest
        yield from (blob.digest for blob in iter_blobs(manifest))


def iter_named_digests(content: ContentStore, manifest: Descriptor) -> Iterator[Digest]:
    """What a manifest of the store names; nothing if it is not here."""
    try:
        decoded = decode_manifest(content.read(manifest.digest), manifest.media_type)
    except SampanError:
        return
    yield from (blob.digest for blob in iter_blobs(decoded))


def _read(content: ContentStore, child: Descriptor) -> Manifest | None:
    try:
        manifest = decode_manifest(content.read(child.digest), child.media_type)
    except SampanError:
        return None
    return manifest if all(content.has(blob.digest) for blob in iter_blobs(manifest)) else None
