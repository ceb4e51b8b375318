# SPDX-License-Identifier: Apache-2.0
"""The engine's SQLite database: opening, migrating, transactions, and errors a person can act on.

One connection with a lock serves all threads: transactions here are a few rows long and never wait for
anything but the disk, so a connection for each thread would buy nothing. WAL with synchronous=NORMAL means
that a commit survives kill -9 at once and a power cut in order: never half of it, possibly without the last
ones.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Self

from sampan.errors import Conflict, DataCorrupt, DiskFull, Internal, SampanError, Unavailable, Unsupported
from sampan.metadata.reserve import Reserve
from sampan.metadata.schema import MIGRATIONS

_BUSY_TIMEOUT_S = 10.0
_PAGE_CACHE_KIB = 4096


class Database:
    """The open state.db. Any thread may use it; a transaction belongs to the thread that began it."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._depth = 0
        self._reserve = Reserve(path + ".reserve")
        os.makedirs(os.path.dirname(path) or ".", mode=0o711, exist_ok=True)
        with self._translated_errors():
            self._connection = _connect(path)
            try:
                self._migrate()
            except BaseException:
                self._connection.close()
                raise

    def close(self) -> None:
        """Close the connection; open transactions of other threads end first."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of the statements inside, or none. One inside another is a part that can fail by itself."""
        with self._lock, self._translated_errors():
            if self._depth == 0 and self._reserve.adjust():
                self._connection.execute("PRAGMA wal_checkpoint(RESTART)")
            begin, commit, rollback = _bounds(self._depth)
            self._connection.execute(begin)
            self._depth += 1
            try:
                yield self._connection
                self._connection.execute(commit)
            except BaseException:
                # SQLite has rolled back by itself after a full disk or an I/O error.
                if self._connection.in_transaction:
                    for statement in rollback:
                        self._connection.execute(statement)
                raise
            finally:
                self._depth -= 1

    def rows(self, query: str, parameters: Sequence[object] = ()) -> list[sqlite3.Row]:
        """All the rows of a query."""
        with self._lock, self._translated_errors():
            return self._connection.execute(query, parameters).fetchall()

    def row(self, query: str, parameters: Sequence[object] = ()) -> sqlite3.Row | None:
        """The first row of a query, if any."""
        with self._lock, self._translated_errors():
            found: sqlite3.Row | None = self._connection.execute(query, parameters).fetchone()
            return found

    def _migrate(self) -> None:
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if version > len(MIGRATIONS):
            raise Unsupported(
                f"{self.path} was written by a newer sampan"
                f" (schema {version}, this one knows {len(MIGRATIONS)})",
                hint="use that version, or another data root",
            )
        for target, statements in enumerate(MIGRATIONS[version:], start=version + 1):
            self._migrate_to(target, statements)

    def _migrate_to(self, target: int, statements: Sequence[str]) -> None:
        with self.transaction() as connection:
            # Another process may have been faster; the version inside the transaction is what counts.
            if connection.execute("PRAGMA user_version").fetchone()[0] >= target:
                return
            for statement in statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {target}")

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise _translate(error, self.path) from error


def _connect(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    try:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA cache_size = -{_PAGE_CACHE_KIB}")
    except BaseException:
        connection.close()
        raise
    return connection


def _bounds(depth: int) -> tuple[str, str, tuple[str, ...]]:
    """How a transaction at this depth begins, commits and rolls back."""
    if depth == 0:
        return "BEGIN IMMEDIATE", "COMMIT", ("ROLLBACK",)
    name = f"nested_{depth}"
    return f"SAVEPOINT {name}", f"RELEASE {name}", (f"ROLLBACK TO {name}", f"RELEASE {name}")


def _translate(error: sqlite3.Error, path: str) -> SampanError:
    """The kind of failure behind an SQLite error."""
    match getattr(error, "sqlite_errorname", "").split("_")[:2]:
        case ["SQLITE", "FULL"]:
            return DiskFull(path)
        case ["SQLITE", "BUSY" | "LOCKED"]:
            return Unavailable(f"{path}: another process keeps the database locked")
        case ["SQLITE", "CONSTRAINT"]:
            return Conflict(f"{path}: something else depends on this: {error}")
        case ["SQLITE", "CORRUPT" | "NOTADB"]:
            return DataCorrupt(f"{path}: {error}")
        case ["SQLITE", "CANTOPEN" | "READONLY" | "PERM"]:
            return Unavailable(f"{path}: {error}")
        case _:
            return Internal(f"{path}: {error}")
