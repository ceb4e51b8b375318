# SPDX-License-Identifier: Apache-2.0
"""The history of builds: who asked for what, and how it went. The document belongs to the builder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from sampan.metadata.database import Database


class BuildTable:
    """Builds by their refs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, ref: str, created_ns: int, document: Mapping[str, Any]) -> None:
        """Remember a build, in place of what was known of it."""
        text = json.dumps(document, separators=(",", ":"))
        with self._database.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO builds VALUES (?, ?, ?)", (ref, created_ns, text))

    def get(self, ref: str) -> dict[str, Any] | None:
        """What is known of a build."""
        row = self._database.row("SELECT document FROM builds WHERE ref = ?", (ref,))
        return json.loads(row["document"]) if row is not None else None

    def list(self) -> list[dict[str, Any]]:
        """All of them, the oldest first."""
        rows = self._database.rows("SELECT document FROM builds ORDER BY created_ns, ref")
        return [json.loads(row["document"]) for row in rows]

    def remove(self, refs: Iterable[str]) -> None:
        """Forget these."""
        with self._database.transaction() as connection:
            connection.executemany("DELETE FROM builds WHERE ref = ?", [(ref,) for ref in refs])
