# SPDX-License-Identifier: Apache-2.0
"""The volumes: driver, labels and options as one document each. A volume's id is its name."""

from __future__ import annotations

from sampan.errors import Conflict, NotFound
from sampan.metadata.records import Record as VolumeRecord
from sampan.metadata.records import RecordTable

__all__ = ["VolumeRecord", "VolumeTable"]


class VolumeTable(RecordTable):
    """Volumes by name."""

    table = "volumes"

    def missing(self, term: str) -> NotFound:
        """Docker's words for it."""
        return NotFound(f"get {term}: no such volume")

    def taken(self, name: str, owner_id: str) -> Conflict:  # noqa: ARG002
        """Docker's words for it."""
        return Conflict(f"A volume named {name} already exists. Choose a different volume name.")
