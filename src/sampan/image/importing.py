# SPDX-License-Identifier: Apache-2.0
"""Import: the tar of a root filesystem as an image of one layer."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from sampan.archive.compression import open_decompressed
from sampan.archive.digesting import DigestReader
from sampan.archive.packing import GzipWriter
from sampan.archive.reader import CHUNK_BYTES, Readable
from sampan.image.layers import LayerSource
from sampan.image.model import Image
from sampan.oci import media_type
from sampan.oci.config import History, decode_image_config, encode_image_config
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest
from sampan.oci.platform import Platform, host_platform
from sampan.oci.reference import Reference
from sampan.oci.run_config import RunConfig

if TYPE_CHECKING:
    from sampan.image.store import ImageStore

DEFAULT_MESSAGE = "Imported from -"


def import_archive(
    store: ImageStore,
    stream: Readable,
    *,
    references: tuple[Reference, ...],
    config: RunConfig,
    message: str,
    platform: Platform | None = None,
    now_ns: Callable[[], int] = time.time_ns,
) -> Image:
    """Make an image of a tar, compressed or not."""
    leases = ExitStack()
    blob, diff_id = _keep(store, stream, leases)
    try:
        created_ns = now_ns()
        raw = encode_image_config(
            platform=platform or host_platform(),
            config=config,
            diff_ids=[diff_id],
            history=[History(created_ns=created_ns, comment=message or DEFAULT_MESSAGE)],
            created_ns=created_ns,
        )
        decoded = decode_image_config(raw)
        source = LayerSource(lambda: store.content.open(blob.digest), blob)
        with store.layers.unpacking(decoded.diff_ids, [source]) as unpacked:
            store.content.write(raw)
            with store.database.transaction():
                store.layers.name(unpacked)
                store.record(decoded, references=references)
    finally:
        leases.close()
        store.forget_blobs({blob.digest})
    return store.get(decoded.image_id)


def _keep(store: ImageStore, stream: Readable, leases: ExitStack) -> tuple[Descriptor, Digest]:
    """Keep the layer compressed, on lease, and learn its diff ID on the way."""
    reader = DigestReader(open_decompressed(stream))
    with store.content.writer() as blob:
        packer = GzipWriter(blob)
        while data := reader.read(CHUNK_BYTES):
            packer.write(data)
        packer.close()
        size = blob.size_bytes
        leases.enter_context(store.content.lease([blob.digest]))
        digest = blob.commit(durable=False)
    return Descriptor(media_type.OCI_LAYER_GZIP, digest, size), reader.digest
