# SPDX-License-Identifier: Apache-2.0
"""The build cache: what a build step with a certain key made before.

The document belongs to the builder. An entry in use by a running build is not for pruning; marks of builds
that died with their engine are cleared when the next one starts.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sampan.metadata.database import Database


@dataclass(frozen=True, slots=True)
class CacheRecord:
    """One result and how it has been used."""

    key: str
    created_ns: int
    last_used_ns: int
    use_count: int
    in_use: bool
    document: Mapping[str, Any]


class BuildCacheTable:
    """Build results by key."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, key: str, document: Mapping[str, Any], *, now_ns: int, in_use: bool = False) -> None:
        """Remember a result, in place of any other with its key."""
        text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO build_cache (key, created_ns, last_used_ns, use_count, in_use,"
                " document) VALUES (?1, ?2, ?2, 1, ?3, ?4)",
                (key, now_ns, int(in_use), text),
            )

    def get(self, key: str) -> CacheRecord | None:
        """The result with this key, if there is one."""
        row = self._database.row("SELECT * FROM build_cache WHERE key = ?", (key,))
        return _decode(row) if row is not None else None

    def touch(self, keys: Iterable[str], *, now_ns: int, in_use: bool = False) -> None:
        """Note that these were used now, all in one transaction."""
        with self._database.transaction() as connection:
            connection.executemany(
                "UPDATE build_cache SET last_used_ns = ?, use_count = use_count + 1, in_use = ?"
                " WHERE key = ?",
                [(now_ns, int(in_use), key) for key in keys],
            )

    def release(self, keys: Iterable[str] | None = None) -> None:
        """These (or all: at start-up) are in use no longer."""
        with self._database.transaction() as connection:
            if keys is None:
                connection.execute("UPDATE build_cache SET in_use = 0 WHERE in_use")
            else:
                connection.executemany(
                    "UPDATE build_cache SET in_use = 0 WHERE key = ?", [(key,) for key in keys]
                )

    def list(self) -> list[CacheRecord]:
        """All results, the longest unused first: the order of pruning."""
        return [
            _decode(row)
            for row in self._database.rows("SELECT * FROM build_cache ORDER BY last_used_ns, key")
        ]

    def remove(self, keys: Iterable[str]) -> None:
        """Forget these results."""
        with self._database.transaction() as connection:
            connection.executemany("DELETE FROM build_cache WHERE key = ?", [(key,) for key in keys])


def _decode(row: sqlite3.Row) -> CacheRecord:
    return CacheRecord(
        key=row["key"],
        created_ns=row["created_ns"],
        last_used_ns=row["last_used_ns"],
        use_count=row["use_count"],
        in_use=bool(row["in_use"]),
        document=json.loads(row["document"]),
    )
