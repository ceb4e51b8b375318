# SPDX-License-Identifier: Apache-2.0
"""Names that stand for an image of each platform: the index that they came with, and which of its images are here.

Holds: such a row lives as long as the name and the image do; a name that is given to another image loses them all.
The image that a name stands for without a platform is in `image_references`, and is one of these.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from sampan.metadata.database import Database


class VariantTable:
    """By full reference."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, reference: str, index: Mapping[str, Any], image_ids: Iterable[str]) -> None:
        """The reference's index and all of its images; the reference exists."""
        with self._database.transaction() as connection:
            described = json.dumps(index, separators=(",", ":"))
            connection.execute("INSERT OR REPLACE INTO image_indexes VALUES (?, ?)", (reference, described))
            connection.execute("DELETE FROM image_variants WHERE reference = ?", (reference,))
            connection.executemany(
                "INSERT INTO image_variants VALUES (?, ?)", [(reference, one) for one in image_ids]
            )

    def index_of(self, reference: str) -> dict[str, Any] | None:
        """The descriptor of the index; None for a name that stands for one image."""
        row = self._database.row("SELECT descriptor FROM image_indexes WHERE reference = ?", (reference,))
        return dict(json.loads(row["descriptor"])) if row is not None else None

    def images_of(self, reference: str) -> list[str]:
        """The ids of its images that are here."""
        query = "SELECT image_id FROM image_variants WHERE reference = ? ORDER BY image_id"
        return [row["image_id"] for row in self._database.rows(query, (reference,))]

    def references(self, image_id: str) -> list[str]:
        """The names that the image is a variant of."""
        query = "SELECT reference FROM image_variants WHERE image_id = ? ORDER BY reference"
        return [row["reference"] for row in self._database.rows(query, (image_id,))]

    def indexes(self) -> list[dict[str, Any]]:
        """The descriptors of all indexes that names came with."""
        rows = self._database.rows("SELECT DISTINCT descriptor FROM image_indexes")
        return [dict(json.loads(row["descriptor"])) for row in rows]
