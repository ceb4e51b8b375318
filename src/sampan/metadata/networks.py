# SPDX-License-Identifier: Apache-2.0
"""The networks: driver, addresses and options as one document each."""

from __future__ import annotations

from sampan.errors import Conflict, NotFound
from sampan.metadata.records import Record as NetworkRecord
from sampan.metadata.records import RecordTable

__all__ = ["NetworkRecord", "NetworkTable"]


class NetworkTable(RecordTable):
    """Networks by id, name and prefix of an id."""

    table = "networks"

    def missing(self, term: str) -> NotFound:
        """Docker's words for it."""
        return NotFound(f"network {term} not found")

    def taken(self, name: str, owner_id: str) -> Conflict:  # noqa: ARG002
        """Docker's words for it."""
        return Conflict(f"network with name {name} already exists")
