# SPDX-License-Identifier: Apache-2.0
"""An image as a registry has it: the manifest that it came with, or a new one of the blobs that its layers have.

Holds: a manifest that an image came with is used as long as all that it names is here, so digests stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sampan.errors import SampanError
from sampan.image.attachments import find_attachments
from sampan.image.model import Image, IndexHere
from sampan.oci import media_type
from sampan.oci.descriptor import Descriptor, decode_descriptor
from sampan.oci.digest import Digest
from sampan.oci.index import Index, decode_index, encode_index
from sampan.oci.manifest import Manifest, decode_manifest, encode_manifest
from sampan.oci.media_type import Compression
from sampan.oci.reference import Reference

if TYPE_CHECKING:
    from sampan.image.store import ImageStore


@dataclass(frozen=True, slots=True)
class Platforms:
    """An index and those of its images and attestations that are here, by the digests of their manifests."""

    index: Index
    images: dict[Digest, Image]
    attached: dict[Digest, Manifest] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """Whether everything that the index names is here."""
        return len(self.here) == len(self.index.manifests)

    @property
    def here(self) -> list[Descriptor]:
        """The lines of the index that stand for something that is here."""
        return [
            child
            for child in self.index.manifests
            if child.digest in self.images or child.digest in self.attached
        ]

    def encode(self, written: Sequence[Descriptor], *, docker: bool = False) -> tuple[bytes, str]:
        """The index of these children; its own bytes if they are all of its own."""
        if tuple(written) == self.index.manifests and not docker:
            return self.index.raw, self.index.media_type
        docker = docker or self.index.media_type == media_type.DOCKER_LIST
        raw = encode_index(written, docker=docker, annotations=None if docker else self.index.annotations)
        return raw, media_type.DOCKER_LIST if docker else media_type.OCI_INDEX


def find_platforms(store: ImageStore, reference: Reference) -> Platforms | None:
    """The images that a name stands for, if there are several, or its index is of one that is here."""
    described = store.variants.index_of(str(reference))
    if described is None:
        return None
    descriptor = decode_descriptor(described, "index")
    try:
        index = decode_index(store.content.read(descriptor.digest), descriptor.media_type)
    except SampanError:
        return None
    named = {child.digest for child in index.manifests}
    images = {}
    for image_id in store.variants.images_of(str(reference)):
        image = store.get(image_id)
        manifest = kept_manifest(store, image)
        if manifest is not None and manifest.digest in named:
            images[manifest.digest] = image
    platforms = Platforms(index, images, find_attachments(store.content, index))
    return platforms if len(images) > 1 or platforms.is_whole else None


def as_platforms(store: ImageStore, index: IndexHere, images: Iterable[Image]) -> Platforms:
    """An index and its images, whatever they are called."""
    decoded = decode_index(index.raw, index.descriptor.media_type)
    manifests = ((kept_manifest(store, image), image) for image in images)
    known = {manifest.digest: image for manifest, image in manifests if manifest is not None}
    return Platforms(decoded, known, find_attachments(store.content, decoded))


def kept_manifest(store: ImageStore, image: Image) -> Manifest | None:
    """The manifest that the image came with, or that an earlier push made, if all it names is here."""
    if image.manifest is None:
        return None
    described = decode_descriptor(dict(image.manifest), "manifest")
    try:
        manifest = decode_manifest(store.content.read(described.digest), described.media_type)
    except SampanError:
        return None
    is_whole = len(manifest.layers) == len(image.chain_ids)
    return manifest if is_whole and all(store.content.has(x.digest) for x in manifest.layers) else None


def make_manifest(store: ImageStore, image: Image, blobs: Sequence[Descriptor]) -> Manifest:
    """A new one, of OCI's form, kept among the blobs."""
    config = Descriptor.of(image.config.raw, media_type.OCI_CONFIG)
    raw = encode_manifest(config, [retyped(blob) for blob in blobs])
    store.content.write(raw)
    return decode_manifest(raw)


def package_image(store: ImageStore, image: Image) -> Manifest:
    """The manifest of an image, whose layers all have blobs then."""
    kept = kept_manifest(store, image)
    if kept is not None:
        return kept
    return make_manifest(store, image, [store.layers.ensure_blob(str(chain)) for chain in image.chain_ids])


def as_schema_2(manifest: Manifest, layers: Sequence[Descriptor]) -> Manifest:
    """Docker's form of a manifest; `layers` are compressed with gzip, or not at all."""
    config = replace(manifest.config, media_type=media_type.DOCKER_CONFIG, annotations={})
    return decode_manifest(
        encode_manifest(config, [retyped(layer, docker=True) for layer in layers], docker=True)
    )


def is_zstd(blob: Descriptor) -> bool:
    """Whether Docker's form has no word for it."""
    return media_type.layer_compression(blob.media_type) is Compression.ZSTD


def retyped(blob: Descriptor, *, docker: bool = False) -> Descriptor:
    """A layer as a manifest of either form has to speak of it, wherever it came from."""
    compression = media_type.layer_compression(blob.media_type)
    assert compression is not None
    kind = media_type.layer_type(compression, docker=docker)
    return replace(blob, media_type=kind, annotations={} if docker else blob.annotations)
