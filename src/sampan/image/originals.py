# SPDX-License-Identifier: Apache-2.0
"""Images as they came, in one archive: their own manifests and compressed layers, so that their digests stay.

Implements: OCI image-spec 1.1, image-layout.md, in a tar. It has no manifest.json, so who loads it takes the
manifests as they are. A name that stands for several platforms' images has its index.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sampan.archive.entry import Entry, Kind
from sampan.archive.header import padding
from sampan.archive.reader import CHUNK_BYTES
from sampan.archive.writer import Writable, encode_entry
from sampan.image.archive_plan import blob_name
from sampan.image.attachments import iter_blobs
from sampan.image.packaging import find_platforms, package_image
from sampan.image.saving import Export, write_end, write_file
from sampan.oci.descriptor import IMAGE_NAME, REFERENCE_NAME, Descriptor
from sampan.oci.digest import Digest
from sampan.oci.document import encode_object
from sampan.oci.index import encode_index
from sampan.oci.reference import Reference

if TYPE_CHECKING:
    from sampan.image.store import ImageStore


def save_originals(store: ImageStore, exports: Sequence[Export], out: Writable) -> None:
    """Write the archive."""
    entries: list[Descriptor] = []
    blobs: dict[Digest, bytes | None] = {}
    for export in exports:
        for reference in export.references or (None,):
            found, described = _collect(store, export, reference)
            blobs |= found
            entries.append(described)
    write_file("oci-layout", encode_object({"imageLayoutVersion": "1.0.0"}), out)
    write_file("index.json", encode_index(entries), out)
    with store.content.lease(blobs):
        for digest, raw in blobs.items():
            if raw is not None:
                write_file(blob_name(digest), raw, out)
            else:
                write_blob(store, digest, out)
    write_end(out)


def _collect(
    store: ImageStore, export: Export, reference: Reference | None
) -> tuple[dict[Digest, bytes | None], Descriptor]:
    """The blobs of an export (documents as bytes), and its line in index.json."""
    platforms = find_platforms(store, reference) if reference and not export.is_one_platform else None
    images = platforms.images.values() if platforms else (export.image,)
    blobs: dict[Digest, bytes | None] = {}
    manifest = None
    for image in images:
        manifest = package_image(store, image)
        blobs |= dict.fromkeys(layer.digest for layer in manifest.layers)
        blobs[manifest.config.digest] = image.config.raw
        blobs[manifest.digest] = manifest.raw
    assert manifest is not None
    described = replace(manifest.descriptor, platform=export.image.config.platform)
    if platforms is not None:
        for attestation in platforms.attached.values():
            blobs |= dict.fromkeys(blob.digest for blob in iter_blobs(attestation))
            blobs[attestation.digest] = attestation.raw
        raw, kind = platforms.encode(platforms.here)
        described = Descriptor.of(raw, kind)
        blobs[described.digest] = raw
    return blobs, replace(described, annotations=_names(reference))


def _names(reference: Reference | None) -> dict[str, str]:
    return {IMAGE_NAME: str(reference), REFERENCE_NAME: reference.tag or ""} if reference else {}


def write_blob(store: ImageStore, digest: Digest, out: Writable) -> None:
    """A blob of the content store as a file of the archive."""
    size = store.content.size(digest)
    out.write(encode_entry(Entry(blob_name(digest), Kind.FILE, size=size)))
    with store.content.open(digest) as file:
        for data in iter(lambda: file.read(CHUNK_BYTES), b""):
            out.write(data)
    out.write(bytes(padding(size)))
