# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608  (only names of our own tables are put into queries; values are parameters)
"""Tables of named things: an id, a unique name, a time, and a JSON document that belongs to its owner.

Containers, networks and volumes are all kept so; their modules say what their errors are called.
"""

from __future__ import annotations

import json
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from sampan.errors import InvalidArgument, SampanError
from sampan.metadata.database import Database


@dataclass(frozen=True, slots=True)
class Record:
    """One named thing. The document is a copy: changing it changes nothing until it is put."""

    id: str
    name: str
    created_ns: int
    document: Mapping[str, Any]


class RecordTable(ABC):
    """What is the same for all the tables of records."""

    table: str

    def __init__(self, database: Database) -> None:
        self._database = database

    @abstractmethod
    def missing(self, term: str) -> SampanError:
        """The error for a thing that does not exist, in Docker's words."""

    @abstractmethod
    def taken(self, name: str, owner_id: str) -> SampanError:
        """The error for a name that another thing has, in Docker's words."""

    def transaction(self) -> AbstractContextManager[object]:
        """Let several changes, also to other tables, be one."""
        return self._database.transaction()

    def put(self, record: Record) -> None:
        """Insert the record, or replace the one with its id."""
        text = json.dumps(record.document, separators=(",", ":"), ensure_ascii=False)
        query = (
            f"INSERT INTO {self.table} (id, name, created_ns, document) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET name = excluded.name, created_ns = excluded.created_ns,"
            " document = excluded.document"
        )
        self._write(record.name, query, (record.id, record.name, record.created_ns, text))

    def rename(self, record_id: str, name: str) -> None:
        """Give the record another name."""
        self.get(record_id)
        self._write(name, f"UPDATE {self.table} SET name = ? WHERE id = ?", (name, record_id))

    def remove(self, record_id: str) -> None:
        """Forget the record; it is no error if it is gone."""
        with self._database.transaction() as connection:
            connection.execute(f"DELETE FROM {self.table} WHERE id = ?", (record_id,))

    def get(self, record_id: str) -> Record:
        """The record with exactly this id."""
        row = self._database.row(f"SELECT * FROM {self.table} WHERE id = ?", (record_id,))
        if row is None:
            raise self.missing(record_id)
        return _decode(row)

    def by_name(self, name: str) -> Record | None:
        """The record with exactly this name."""
        row = self._database.row(f"SELECT * FROM {self.table} WHERE name = ?", (name,))
        return _decode(row) if row is not None else None

    def find(self, term: str) -> Record:
        """What a person means by `term`: an id, else a name, else the beginning of one id."""
        query = f"SELECT * FROM {self.table} WHERE id = ?1 OR name = ?1 ORDER BY id = ?1 DESC LIMIT 1"
        row = self._database.row(query, (term,))
        if row is not None:
            return _decode(row)
        if not term or set(term) - set("0123456789abcdef"):
            raise self.missing(term)
        # The end of the range is the first text after all those that begin with the term.
        query = f"SELECT * FROM {self.table} WHERE id >= ? AND id < ? LIMIT 2"
        rows = self._database.rows(query, (term, term + "g"))
        if len(rows) > 1:
            raise InvalidArgument(f"multiple IDs found with provided prefix: {term}")
        if not rows:
            raise self.missing(term)
        return _decode(rows[0])

    def list(self) -> list[Record]:
        """All records, oldest first."""
        rows = self._database.rows(f"SELECT * FROM {self.table} ORDER BY created_ns, id")
        return [_decode(row) for row in rows]

    def _write(self, name: str, query: str, parameters: tuple[object, ...]) -> None:
        with self._database.transaction() as connection:
            try:
                connection.execute(query, parameters)
            except sqlite3.IntegrityError as error:
                owner = self.by_name(name)
                if owner is None:
                    raise
                raise self.taken(name, owner.id) from error


def _decode(row: sqlite3.Row) -> Record:
    return Record(row["id"], row["name"], row["created_ns"], json.loads(row["document"]))
