# SPDX-License-Identifier: Apache-2.0
"""Rows and config blobs to `Image` values.

A config never changes, and is asked for at each ``ps`` and ``images``: once read, it is kept.
"""

from __future__ import annotations

from sampan.content.store import ContentStore
from sampan.image.model import Image
from sampan.metadata.images import ImageRecord, ImageTable
from sampan.oci.config import ImageConfig, decode_image_config
from sampan.oci.digest import Digest, parse_digest
from sampan.oci.document import JSONObject, decode_object, get_object


class ImageReader:
    """Makes images of records."""

    def __init__(self, table: ImageTable, content: ContentStore) -> None:
        self._table = table
        self._content = content
        self._configs: dict[str, tuple[ImageConfig, JSONObject]] = {}

    def read(self, record: ImageRecord) -> Image:
        """The image, with the names that it has now."""
        config, run_config = self._config(record.image_id)
        return Image(
            id=config.image_id,
            config=config,
            run_config=run_config,
            references=tuple(self._table.references(record.image_id)),
            repo_digests=tuple(self._table.repo_digests(record.image_id)),
            size_bytes=record.size_bytes,
            created_ns=record.created_ns,
            manifest=record.manifest,
            last_tag_ns=record.document.get("last_tag_ns"),
        )

    def forget(self, image_id: Digest) -> None:
        """The image is gone."""
        self._configs.pop(str(image_id), None)

    def _config(self, image_id: str) -> tuple[ImageConfig, JSONObject]:
        known = self._configs.get(image_id)
        if known is None:
            raw = self._content.read(parse_digest(image_id))
            run_config = get_object(decode_object(raw, "image config"), "config", "image config")
            known = self._configs[image_id] = (decode_image_config(raw), run_config)
        return known
