# SPDX-License-Identifier: Apache-2.0
"""Load: an archive's images into the store.

No lock is held while the archive comes: its sender may be slow. What came is leased until it has an owner.
Holds: an image and its names appear in one transaction with its layers, or not at all. What fails, or is killed,
leaves blobs and snapshots without names, which are removed then or at the next start.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sampan.archive.reader import Readable
from sampan.content.store import ContentStore
from sampan.image.archive_plan import ArchivedImage, plan_load
from sampan.image.layers import LayerSource
from sampan.image.model import Image
from sampan.image.staging import Member, Staging
from sampan.oci import media_type
from sampan.oci.descriptor import Descriptor
from sampan.oci.platform import Platform

if TYPE_CHECKING:
    from sampan.image.store import ImageStore

Progress = Callable[[str], None]

_MEDIA_TYPES = {
    "none": media_type.OCI_LAYER,
    "gzip": media_type.OCI_LAYER_GZIP,
    "zstd": media_type.OCI_LAYER_ZSTD,
}


def load_archive(
    store: ImageStore, stream: Readable, *, platform: Platform | None = None, progress: Progress | None = None
) -> list[tuple[Image, list[str]]]:
    """Load all images of an archive; each with the names that it has been given, short."""
    staging = Staging(store.content)
    try:
        with staging.leases:
            staging.fill(stream)
            loaded = [
                _load_image(store, staging, archived, progress or (lambda _: None))
                for archived in plan_load(staging, platform)
            ]
            return _once_a_name(store, loaded)
    finally:
        store.forget_blobs(staging.blobs())


def _once_a_name(store: ImageStore, loaded: list[tuple[Image, list[str]]]) -> list[tuple[Image, list[str]]]:
    """The images for several platforms of a name are one line: the image that the name stands for."""
    images: dict[tuple[str, ...], Image] = {}
    for image, names in loaded:
        images[tuple(names) or (str(image.id),)] = store.resolve(names[0]) if names else image
    return [(image, [] if key == (str(image.id),) else list(key)) for key, image in images.items()]


def _load_image(
    store: ImageStore, staging: Staging, archived: ArchivedImage, progress: Progress
) -> tuple[Image, list[str]]:
    progress(f"Loading layers of {archived.config.image_id.short}")
    sources = [_source(store.content, staging.require(name)) for name in archived.layers]
    documents = [archived.config.image_id] + ([archived.manifest.digest] if archived.manifest else [])
    documents += [archived.index.descriptor.digest] if archived.index else []
    with (
        store.content.lease(documents),
        store.layers.unpacking(archived.config.diff_ids, sources) as unpacked,
    ):
        store.content.write(archived.config.raw)
        if archived.manifest is not None:
            store.content.write(archived.manifest.raw)
        if archived.index is not None:
            store.content.write(archived.index.raw)
        with store.database.transaction():
            store.layers.name(unpacked)
            store.record(
                archived.config,
                manifest=archived.manifest,
                references=archived.references,
                index=archived.index,
            )
    names = [reference.familiar() for reference in archived.references]
    return store.get(archived.config.image_id), names


def _source(content: ContentStore, member: Member) -> LayerSource:
    """A layer's blob is kept as it came; compressions that OCI does not know are only read."""
    kind = _MEDIA_TYPES.get(member.compression)
    blob = Descriptor(kind, member.blob, member.blob_size) if kind else None
    return LayerSource(lambda: content.open(member.blob), blob)
