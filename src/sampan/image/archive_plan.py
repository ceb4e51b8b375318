# SPDX-License-Identifier: Apache-2.0
"""Which images an archive holds: docker-archive's manifest.json, or an OCI image layout's index.json.

Implements: the archive of ``docker save`` (moby image/tarexport: manifest.json; since Docker 25 an OCI layout beside
it), OCI image-spec 1.1, image-layout.md, with containerd's and Docker's annotations for names.
Holds: where both are there, manifest.json counts, as in Docker: it has all of the names.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Protocol

from sampan.errors import InvalidArgument, NotFound
from sampan.image.model import IndexHere
from sampan.oci import media_type
from sampan.oci.config import ImageConfig, decode_image_config
from sampan.oci.descriptor import IMAGE_NAME, REFERENCE_NAME, Descriptor
from sampan.oci.digest import Digest, DigestMismatch
from sampan.oci.document import InvalidDocument, get_string, get_strings
from sampan.oci.index import decode_index, is_attestation
from sampan.oci.manifest import Manifest, decode_manifest
from sampan.oci.platform import Platform, host_platform, match_rank
from sampan.oci.reference import Reference, parse_name, parse_reference

_HEX = frozenset("0123456789abcdef")
_ID_LENGTH = 64
_MAX_DEPTH = 4


class Documents(Protocol):
    """The small files of an archive."""

    def read(self, name: str) -> bytes:
        """The file's bytes."""

    def find(self, name: str) -> object | None:
        """Something, if there is such a file."""


@dataclass(frozen=True, slots=True)
class ArchivedImage:
    """One image: its config, the names of its layers' files, and what it is to be called."""

    config: ImageConfig
    layers: tuple[str, ...]
    references: tuple[Reference, ...]
    manifest: Manifest | None = None
    index: IndexHere | None = None


def plan_load(archive: Documents, platform: Platform | None) -> list[ArchivedImage]:
    """The images of an archive: for one platform, or for all that it has."""
    if archive.find("manifest.json"):
        images = _for_platform(_from_docker(archive), platform)
    elif archive.find("index.json"):
        images = _from_layout(archive, platform)
    else:
        raise InvalidDocument(
            "archive is not an image: it has neither manifest.json nor index.json",
            hint="to make an image of a root filesystem, use import",
        )
    for image in images:
        if len(image.layers) != len(image.config.diff_ids):
            raise InvalidDocument(
                f"image {image.config.image_id.short} has {len(image.layers)} layers,"
                f" its config speaks of {len(image.config.diff_ids)}"
            )
    return images


def _for_platform(images: list[ArchivedImage], platform: Platform | None) -> list[ArchivedImage]:
    if platform is None:
        return images
    fitting = [one for one in images if match_rank(platform, one.config.platform) is not None]
    if images and not fitting:
        raise NotFound(f"archive has no image for the specified platform ({platform})")
    return fitting


def blob_name(digest: Digest) -> str:
    """Where a layout has a blob."""
    return f"blobs/{digest.algorithm}/{digest.hex}"


def _from_docker(archive: Documents) -> list[ArchivedImage]:
    what = "manifest.json"
    try:
        items = json.loads(archive.read(what))
    except (ValueError, RecursionError) as error:
        raise InvalidDocument(f"{what} is not valid JSON: {error}") from error
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise InvalidDocument(f"{what} is not a list of objects")
    images = []
    for item in items:
        name = get_string(item, "Config", what)
        config = decode_image_config(_checked(name, archive.read(name)))
        references = tuple(_parse(tag) for tag in get_strings(item, "RepoTags", what))
        images.append(ArchivedImage(config, get_strings(item, "Layers", what), references))
    return images


def _from_layout(archive: Documents, platform: Platform | None) -> list[ArchivedImage]:
    listed = decode_index(archive.read("index.json"), media_type.OCI_INDEX)
    images: dict[tuple[Digest, bytes], ArchivedImage] = {}
    for descriptor in listed.manifests:
        root = None
        if descriptor.media_type in media_type.INDEXES:
            root = IndexHere(archive.read(blob_name(descriptor.digest)), descriptor)
        for manifest in _images_of(archive, descriptor, platform):
            config = decode_image_config(archive.read(blob_name(manifest.config.digest)))
            key = manifest.digest, root.raw if root else b""
            before = images.get(key)
            references = (before.references if before else ()) + _names(descriptor)
            layers = tuple(blob_name(layer.digest) for layer in manifest.layers)
            images[key] = ArchivedImage(config, layers, references, manifest, root)
    if not images:
        raise InvalidDocument("index.json has no image in it")
    return list(images.values())


def _images_of(archive: Documents, descriptor: Descriptor, platform: Platform | None) -> list[Manifest]:
    """The manifests that a descriptor leads to, less what is not an image (attestations, artifacts)."""
    if descriptor.media_type not in media_type.INDEXES or platform is not None:
        found = _resolve(archive, descriptor, platform or host_platform())
        return [found] if found is not None else []
    children = decode_index(archive.read(blob_name(descriptor.digest)), descriptor.media_type).manifests
    here = [child for child in children if not is_attestation(child) and _is_here(archive, child)]
    if not here:
        return _images_of(archive, descriptor, host_platform())
    return [manifest for child in here for manifest in _images_of(archive, child, None)]


def _is_here(archive: Documents, child: Descriptor) -> bool:
    """Whether the archive has a child of an index: it may have the image for one platform only."""
    name = blob_name(child.digest)
    if not archive.find(name):
        return False
    if child.media_type in media_type.INDEXES:
        return False  # only one level is kept side by side
    manifest = decode_manifest(archive.read(name), child.media_type)
    blobs = (manifest.config, *manifest.layers)
    return _is_image(manifest) and all(archive.find(blob_name(blob.digest)) for blob in blobs)


def _resolve(archive: Documents, descriptor: Descriptor, platform: Platform) -> Manifest | None:
    """The manifest that a descriptor leads to; None for what is not an image (attestations, artifacts)."""
    for _ in range(_MAX_DEPTH):
        raw = archive.read(blob_name(descriptor.digest))
        if descriptor.media_type not in media_type.INDEXES:
            manifest = decode_manifest(raw, descriptor.media_type)
            return manifest if _is_image(manifest) else None
        descriptor = decode_index(raw, descriptor.media_type).select(platform)
    raise InvalidDocument("index.json leads to indexes of indexes of indexes")


def _is_image(manifest: Manifest) -> bool:
    is_image = manifest.config.media_type in media_type.CONFIGS
    return is_image and all(media_type.is_layer(x.media_type) for x in manifest.layers)


def _names(descriptor: Descriptor) -> tuple[Reference, ...]:
    """Containerd's full name, or a ref.name that is more than a tag: a tag alone names no repository."""
    full = descriptor.annotations.get(IMAGE_NAME)
    if full:
        return (_parse(full),)
    short = descriptor.annotations.get(REFERENCE_NAME, "")
    if ":" not in short and "/" not in short:
        return ()
    try:
        return (parse_reference(short),)
    except InvalidArgument:
        return ()


def _parse(text: str) -> Reference:
    reference = parse_name(text)
    if reference.digest is not None or reference.tag is None:
        raise InvalidDocument(f"archive calls an image {text!r}, which is not a name with a tag")
    return reference


def _checked(name: str, raw: bytes) -> bytes:
    """A config whose file is called by its digest must have it."""
    stem = name.removesuffix(".json")
    if len(stem) == _ID_LENGTH and _HEX.issuperset(stem) and Digest.of(raw).hex != stem:
        raise DigestMismatch(Digest("sha256", stem), Digest.of(raw))
    return raw
