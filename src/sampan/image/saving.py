# SPDX-License-Identifier: Apache-2.0
"""Save: images into one archive that every engine loads.

Implements: the archive of ``docker save`` since Docker 25: an OCI image layout (image-spec 1.1, image-layout.md) with a
docker-archive's manifest.json and repositories beside it, which name the layout's blobs.
Holds: layers are uncompressed tars, so that a blob's name is its diff ID; each is written once. Equal images give
equal archives, whatever the day.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sampan.archive.entry import Entry, Kind
from sampan.archive.header import BLOCK_BYTES, padding
from sampan.archive.writer import Writable, encode_entry
from sampan.image.archive_plan import blob_name
from sampan.image.layers import LayerStore
from sampan.image.model import Image
from sampan.oci import media_type
from sampan.oci.descriptor import IMAGE_NAME, REFERENCE_NAME, Descriptor
from sampan.oci.document import encode_object
from sampan.oci.index import encode_index
from sampan.oci.manifest import encode_manifest
from sampan.oci.reference import Reference

if TYPE_CHECKING:
    from sampan.image.store import ImageStore


@dataclass(frozen=True, slots=True)
class Export:
    """An image to save, under these names."""

    image: Image
    references: tuple[Reference, ...]
    is_one_platform: bool = False
    """Whether a platform was asked for, so that the images for others stay out."""


def save_archive(store: ImageStore, exports: Sequence[Export], out: Writable) -> None:
    """Write the archive; layers are made again or unpacked from their blobs as they are written."""
    sizes = _layer_sizes(store.layers, exports)
    documents, blobs = _documents(exports, sizes)
    for name in ("blobs/", "blobs/sha256/"):
        out.write(encode_entry(Entry(name, Kind.DIRECTORY, mode=0o755)))
    written: set[str] = set()
    for export in exports:
        for diff_id, chain in zip(export.image.config.diff_ids, export.image.chain_ids, strict=True):
            if str(diff_id) not in written:
                written.add(str(diff_id))
                _write_layer(store.layers, str(chain), blob_name(diff_id), sizes[str(diff_id)], out)
    for name, data in sorted({**blobs, **documents}.items()):
        write_file(name, data, out)
    write_end(out)


def _layer_sizes(layers: LayerStore, exports: Sequence[Export]) -> dict[str, int]:
    """The length of each layer's tar: a header has to tell it before the tar is made, so it is made twice."""
    sizes: dict[str, int] = {}
    for export in exports:
        for diff_id, chain in zip(export.image.config.diff_ids, export.image.chain_ids, strict=True):
            if str(diff_id) not in sizes:
                sizes[str(diff_id)] = layers.write_tar(str(chain), None).size_bytes
    return sizes


def _documents(exports: Sequence[Export], sizes: dict[str, int]) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """The files at the top of the archive, and the small blobs."""
    blobs: dict[str, bytes] = {}
    index: list[Descriptor] = []
    docker: list[dict[str, object]] = []
    repositories: dict[str, dict[str, str]] = {}
    for export in exports:
        config = export.image.config
        manifest = _encode_manifest(export.image, sizes)
        descriptor = Descriptor.of(manifest, media_type.OCI_MANIFEST)
        blobs[blob_name(config.image_id)] = config.raw
        blobs[blob_name(descriptor.digest)] = manifest
        index += _index_entries(descriptor, export)
        docker.append(_docker_item(export))
        for reference in export.references:
            top = config.diff_ids[-1].hex if config.diff_ids else ""
            repositories.setdefault(reference.familiar_name, {})[reference.tag or ""] = top
    documents = {
        "oci-layout": encode_object({"imageLayoutVersion": "1.0.0"}),
        "index.json": encode_index(index),
        "manifest.json": json.dumps(docker, separators=(",", ":")).encode(),
    }
    if repositories:
        documents["repositories"] = encode_object(repositories)
    return documents, blobs


def _encode_manifest(image: Image, sizes: dict[str, int]) -> bytes:
    config = Descriptor.of(image.config.raw, media_type.OCI_CONFIG)
    layers = [
        Descriptor(media_type.OCI_LAYER, digest, sizes[str(digest)]) for digest in image.config.diff_ids
    ]
    return encode_manifest(config, layers)


def _index_entries(descriptor: Descriptor, export: Export) -> list[Descriptor]:
    """One entry a name, as Docker and containerd read it; one without for a nameless image."""
    platform = export.image.config.platform
    named = [
        Descriptor(
            descriptor.media_type,
            descriptor.digest,
            descriptor.size,
            platform,
            {IMAGE_NAME: str(reference), REFERENCE_NAME: reference.tag or ""},
        )
        for reference in export.references
    ]
    return named or [Descriptor(descriptor.media_type, descriptor.digest, descriptor.size, platform)]


def _docker_item(export: Export) -> dict[str, object]:
    config = export.image.config
    return {
        "Config": blob_name(config.image_id),
        "RepoTags": [reference.familiar() for reference in export.references] or None,
        "Layers": [blob_name(diff_id) for diff_id in config.diff_ids],
    }


def _write_layer(layers: LayerStore, chain_id: str, name: str, size: int, out: Writable) -> None:
    out.write(encode_entry(Entry(name, Kind.FILE, size=size)))
    layers.write_tar(chain_id, out)
    out.write(bytes(padding(size)))


def write_end(out: Writable) -> None:
    """What ends a tar."""
    out.write(bytes(2 * BLOCK_BYTES))


def write_file(name: str, data: bytes, out: Writable) -> None:
    """A small file of the archive."""
    out.write(encode_entry(Entry(name, Kind.FILE, size=len(data))))
    out.write(data)
    out.write(bytes(padding(len(data))))
