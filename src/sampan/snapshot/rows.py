# SPDX-License-Identifier: Apache-2.0
"""The rows of the `snapshots` table (made in metadata.schema): names, states and parents.

Every method that changes something is one transaction. The table's own constraints are what keeps names
unique and parents alive; here they get words.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from sampan.errors import Conflict
from sampan.snapshot.model import Kind, Snapshot, SnapshotExists, SnapshotInUse, SnapshotNotFound

_SELECT = (
    "SELECT s.number, s.name, s.kind, s.created_ns, p.name AS parent FROM snapshots AS s"
    " LEFT JOIN snapshots AS p ON p.number = s.parent"
)


class Database(Protocol):
    """What is needed of the metadata database."""

    def transaction(self) -> AbstractContextManager[sqlite3.Connection]:
        """All or nothing."""

    def rows(self, query: str, parameters: Sequence[object] = ()) -> list[sqlite3.Row]:
        """All rows of a query."""

    def row(self, query: str, parameters: Sequence[object] = ()) -> sqlite3.Row | None:
        """The first row of a query."""


class SnapshotRows:
    """Snapshots as the database knows them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: str) -> Snapshot:
        """The snapshot of this key or name."""
        row = self._database.row(f"{_SELECT} WHERE s.name = ?", (name,))
        if row is None:
            raise SnapshotNotFound(name)
        return _decode(row)

    def has(self, name: str) -> bool:
        """Whether there is a snapshot of this key or name."""
        return self._database.row("SELECT 1 FROM snapshots WHERE name = ?", (name,)) is not None

    def list(self) -> list[Snapshot]:
        """All snapshots, parents before their children."""
        return [_decode(row) for row in self._database.rows(f"{_SELECT} ORDER BY s.number")]

    def chain(self, name: str) -> tuple[int, ...]:
        """The numbers of this snapshot and all it stands on, uppermost first."""
        rows = self._database.rows(
            "WITH RECURSIVE chain (number, parent, depth) AS ("
            " SELECT number, parent, 0 FROM snapshots WHERE name = ?"
            " UNION ALL SELECT s.number, s.parent, depth + 1 FROM snapshots AS s JOIN chain"
            " ON s.number = chain.parent) SELECT number FROM chain ORDER BY depth",
            (name,),
        )
        if not rows:
            raise SnapshotNotFound(name)
        return tuple(row["number"] for row in rows)

    def insert(self, key: str, kind: Kind, parent: str | None, place: Callable[[int], None]) -> Snapshot:
        """Name a new snapshot; `place` puts its directory where the number says, inside the transaction."""
        with self._database.transaction() as connection:
            base = self._committed(parent).number if parent is not None else None
            created_ns = time.time_ns()
            try:
                cursor = connection.execute(
                    "INSERT INTO snapshots (name, kind, parent, created_ns) VALUES (?, ?, ?, ?)",
                    (key, kind, base, created_ns),
                )
            except sqlite3.IntegrityError as error:
                raise SnapshotExists(key) from error
            number = int(cursor.lastrowid or 0)
            place(number)
            return Snapshot(key, kind, parent, created_ns, number)

    def commit(self, key: str, name: str) -> Snapshot:
        """Turn the active snapshot into the committed one."""
        with self._database.transaction() as connection:
            snapshot = self.get(key)
            if snapshot.kind is not Kind.ACTIVE:
                raise Conflict(f"snapshot {key} is {snapshot.kind}, not active")
            try:
                connection.execute(
                    "UPDATE snapshots SET kind = 'committed', name = ? WHERE number = ?",
                    (name, snapshot.number),
                )
            except sqlite3.IntegrityError as error:
                raise SnapshotExists(name) from error
            return Snapshot(name, Kind.COMMITTED, snapshot.parent, snapshot.created_ns, snapshot.number)

    def rename(self, name: str, new: str) -> None:
        """Give the snapshot another key or name."""
        with self._database.transaction() as connection:
            number = self.get(name).number
            try:
                connection.execute("UPDATE snapshots SET name = ? WHERE number = ?", (new, number))
            except sqlite3.IntegrityError as error:
                raise SnapshotExists(new) from error

    def remove(self, name: str) -> Snapshot:
        """Forget the snapshot, unless others stand on it."""
        with self._database.transaction() as connection:
            snapshot = self.get(name)
            query = "SELECT name FROM snapshots WHERE parent = ? ORDER BY number"
            children = tuple(row["name"] for row in connection.execute(query, (snapshot.number,)))
            if children:
                raise SnapshotInUse(name, children)
            connection.execute("DELETE FROM snapshots WHERE number = ?", (snapshot.number,))
            return snapshot

    def usage(self, number: int) -> tuple[int, int] | None:
        """The remembered size of a committed snapshot."""
        row = self._database.row("SELECT size_bytes, inodes FROM snapshots WHERE number = ?", (number,))
        return (row["size_bytes"], row["inodes"]) if row and row["size_bytes"] is not None else None

    def set_usage(self, number: int, size_bytes: int, inodes: int) -> None:
        """Remember the size of a committed snapshot, which never changes."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE snapshots SET size_bytes = ?, inodes = ? WHERE number = ?",
                (size_bytes, inodes, number),
            )

    def _committed(self, parent: str) -> Snapshot:
        snapshot = self.get(parent)
        if snapshot.kind is not Kind.COMMITTED:
            raise Conflict(
                f"snapshot {parent} is {snapshot.kind} and cannot be a parent before it is committed"
            )
        return snapshot


def _decode(row: sqlite3.Row) -> Snapshot:
    return Snapshot(row["name"], Kind(row["kind"]), row["parent"], row["created_ns"], row["number"])
