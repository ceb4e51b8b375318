# SPDX-License-Identifier: Apache-2.0
"""Rows and config blobs to `Image` values.

A config never changes, and is asked for at each ``ps`` and ``images``: once read, it is kept.
"""

from __future__ import annotations

from collections.abc import Iterable

from sampan.content.store import ContentStore
from sampan.image.model import Image
from sampan.metadata.images import ImageRecord, ImageTable
from sampan.metadata.variants import VariantTable
from sampan.oci.config import ImageConfig, decode_image_config
from sampan.oci.digest import Digest, parse_digest
from sampan.oci.document import JSONObject, decode_object, get_object
from sampan.oci.reference import parse_name


class ImageReader:
    """Makes images of records."""

    def __init__(self, table: ImageTable, variants: VariantTable, content: ContentStore) -> None:
        self._table = table
        self._variants = variants
        self._content = content
        self._configs: dict[str, tuple[ImageConfig, JSONObject]] = {}

    def read(self, record: ImageRecord) -> Image:
        """The image, with the names that it has now."""
        config, run_config = self._config(record.image_id)
        references = tuple(self._table.references(record.image_id))
        repo_digests = tuple(self._table.repo_digests(record.image_id))
        variant_of = tuple(
            name for name in self._variants.references(record.image_id) if name not in references
        )
        return Image(
            id=config.image_id,
            config=config,
            run_config=run_config,
            references=references,
            repo_digests=(*repo_digests, *self._index_digests(variant_of)),
            size_bytes=record.size_bytes,
            created_ns=record.created_ns,
            manifest=record.manifest,
            last_tag_ns=record.document.get("last_tag_ns"),
            variant_of=variant_of,
        )

    def _index_digests(self, names: Iterable[str]) -> list[str]:
        """What registries call the index that the names stand for; the row of that is another image's."""
        found = ((parse_name(name), self._variants.index_of(name)) for name in names)
        return [str(name.with_digest(parse_digest(index["digest"]))) for name, index in found if index]

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
