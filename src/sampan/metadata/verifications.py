# SPDX-License-Identifier: Apache-2.0
"""Which keys are known to have signed which image: found out once, when the signature was there to be checked.

Holds: what is known of an image goes with it.
"""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass

from sampan.errors import NotFound
from sampan.metadata.database import Database


@dataclass(frozen=True, slots=True)
class Verification:
    """The key (its fingerprint) signed the manifest `digest` of the image, in `repository`, for `reference`."""

    image_id: str
    repository: str
    digest: str
    key: str
    reference: str


class VerificationTable:
    """Verifications by image and repository."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, verification: Verification) -> None:
        """Remember one; again is no mistake."""
        values = (
            verification.image_id,
            verification.repository,
            verification.digest,
            verification.key,
            verification.reference,
            time.time_ns(),
        )
        with self._database.transaction() as connection:
            try:
                connection.execute("INSERT OR REPLACE INTO verifications VALUES (?, ?, ?, ?, ?, ?)", values)
            except sqlite3.IntegrityError as error:
                raise NotFound(f"No such image: {verification.image_id}") from error

    def of(self, image_id: str, repository: str) -> list[Verification]:
        """What is known of an image that comes from a repository."""
        query = (
            "SELECT image_id, repository, digest, key, reference FROM verifications"
            " WHERE image_id = ? AND repository = ? ORDER BY verified_ns"
        )
        return [Verification(*row) for row in self._database.rows(query, (image_id, repository))]
