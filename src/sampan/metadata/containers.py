# SPDX-License-Identifier: Apache-2.0
"""The containers: configuration and state as one document each. Names are without Docker's leading slash."""

from __future__ import annotations

from sampan.errors import Conflict, NotFound
from sampan.metadata.records import Record as ContainerRecord
from sampan.metadata.records import RecordTable

__all__ = ["ContainerNameTaken", "ContainerRecord", "ContainerTable"]


class ContainerNameTaken(Conflict):
    """Another container has the name; the words are Docker's, because clients look for them."""

    def __init__(self, name: str, owner_id: str) -> None:
        super().__init__(
            f'Conflict. The container name "/{name}" is already in use by container "{owner_id}".'
            " You have to remove (or rename) that container to be able to reuse that name."
        )
        self.name = name
        self.owner_id = owner_id


class ContainerTable(RecordTable):
    """Containers by id, name and prefix of an id."""

    table = "containers"

    def missing(self, term: str) -> NotFound:
        """Docker's words for it."""
        return NotFound(f"No such container: {term}")

    def taken(self, name: str, owner_id: str) -> ContainerNameTaken:
        """Docker's words for it."""
        return ContainerNameTaken(name, owner_id)
