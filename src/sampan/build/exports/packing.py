# SPDX-License-Identifier: Apache-2.0
"""A product as registries and archives have it: manifests, and the index of them.

Implements: OCI image-spec 1.1, manifest.md and image-index.md, put together as BuildKit's exporters do: one platform's
image is a manifest; those of several platforms, or one with attestations, are an index. A manifest has the layers'
blobs as they are here; those that have none are compressed now, all at the same time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from sampan.archive.packing import Packing
from sampan.build.built import Built
from sampan.build.exports import annotations as levels
from sampan.build.exports.attached import Attached, Attestor
from sampan.build.exports.options import ExportOptions
from sampan.build.product import Product
from sampan.build.reporter import Vertex
from sampan.errors import InvalidArgument
from sampan.image.model import Image, IndexHere
from sampan.image.packaging import as_schema_2, retyped
from sampan.image.store import ImageStore
from sampan.oci import media_type
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest
from sampan.oci.index import encode_index
from sampan.oci.manifest import Manifest, decode_manifest, encode_manifest
from sampan.oci.media_type import Compression
from sampan.oci.platform import Platform


@dataclass(frozen=True, slots=True)
class Packed:
    """One platform's image with its manifest, and its line in an index."""

    image: Image
    manifest: Manifest
    descriptor: Descriptor


@dataclass(frozen=True, slots=True)
class Package:
    """Everything that is sent or kept; `root` is what a name stands for."""

    images: tuple[Packed, ...]
    root: Descriptor
    index: IndexHere | None = None
    attached: tuple[Attached, ...] = ()
    blobs: Mapping[Digest, bytes | None] = field(default_factory=dict)
    """Of these the documents have their bytes here; the others are in the content store."""


async def pack_product(
    product: Product, options: ExportOptions, attestors: Sequence[Attestor], vertex: Vertex
) -> Package:
    """Record the images, without names, and make their manifests."""
    is_index = product.is_split or bool(attestors)
    is_docker = options.docker_types and not (options.annotations or attestors)
    if options.annotations.need_index and not is_index:
        raise InvalidArgument("index annotations not supported for single platform export")
    images: list[Packed] = []
    attached: list[Attached] = []
    for built in product:
        packed = await _pack_image(built, options, is_docker=is_docker)
        vertex.status(f"exporting manifest {packed.manifest.digest}", 0, completed=True)
        images.append(packed)
        for attestor in attestors:
            attached += await attestor.attest(built, packed.manifest)
    return _put_together(images, attached, options, is_index=is_index)


async def _pack_image(built: Built, options: ExportOptions, *, is_docker: bool) -> Packed:
    image = await built.make_image()
    blobs = await _ensure_blobs(built, image, options.packing or Packing())
    annotations = options.annotations
    platform = built.platform.plain
    config = Descriptor.of(image.config.raw, media_type.OCI_CONFIG)
    raw = encode_manifest(
        config,
        [retyped(blob) for blob in blobs],
        annotations=annotations.at(levels.MANIFEST, built.platform),
    )
    manifest = decode_manifest(raw)
    if is_docker and not any(map(_is_zstd, manifest.layers)):
        manifest = as_schema_2(manifest, manifest.layers)
    described = annotations.at(levels.MANIFEST_DESCRIPTOR, built.platform)
    line = replace(manifest.descriptor, platform=_described(platform), annotations=described)
    return Packed(image, manifest, line)


async def _ensure_blobs(built: Built, image: Image, packing: Packing) -> list[Descriptor]:
    ensure = built.images.layers.ensure_blob
    work = (built.services.blocking.run(ensure, str(chain), packing) for chain in image.chain_ids)
    return list(await asyncio.gather(*work))


def _put_together(
    images: Sequence[Packed], attached: Sequence[Attached], options: ExportOptions, *, is_index: bool
) -> Package:
    blobs: dict[Digest, bytes | None] = {}
    for packed in images:
        blobs |= dict.fromkeys(layer.digest for layer in packed.manifest.layers)
        blobs[packed.manifest.config.digest] = packed.image.config.raw
        blobs[packed.manifest.digest] = packed.manifest.raw
    for one in attached:
        blobs |= one.blobs
    if not is_index:
        return Package(tuple(images), images[0].descriptor, None, (), blobs)
    annotations = options.annotations
    lines = [packed.descriptor for packed in images] + [one.descriptor for one in attached]
    docker = all(packed.manifest.media_type == media_type.DOCKER_MANIFEST for packed in images)
    raw = encode_index(lines, docker=docker, annotations=annotations.at(levels.INDEX))
    root = Descriptor.of(raw, media_type.DOCKER_LIST if docker else media_type.OCI_INDEX)
    blobs[root.digest] = raw
    index = IndexHere(raw, root)
    described = replace(root, annotations=annotations.at(levels.INDEX_DESCRIPTOR))
    return Package(tuple(images), described, index, tuple(attached), blobs)


def _described(platform: Platform) -> Platform:
    """A line of an index says nothing of features."""
    return Platform(platform.os, platform.architecture, platform.variant, platform.os_version)


def _is_zstd(layer: Descriptor) -> bool:
    return media_type.layer_compression(layer.media_type) is Compression.ZSTD


def keep_package(images: ImageStore, package: Package, names: Sequence[str]) -> None:
    """Let names stand for the package: its documents first, then in one transaction everything that names them."""
    images.keep(
        [(packed.image.config, packed.manifest) for packed in package.images],
        names=names,
        index=package.index,
        documents=[raw for raw in package.blobs.values() if raw is not None],
    )
