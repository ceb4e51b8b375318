# SPDX-License-Identifier: Apache-2.0
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sampan.errors import DataCorrupt, DiskFull, Unsupported
from sampan.metadata.database import Database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database(f"{tmp_path}/state.db") as opened:
        opened.rows("CREATE TABLE numbers (value INTEGER UNIQUE)")
        yield opened


def values(database: Database) -> list[int]:
    return [row["value"] for row in database.rows("SELECT value FROM numbers ORDER BY value")]


def insert(database: Database, value: int) -> None:
    with database.transaction() as connection:
        connection.execute("INSERT INTO numbers VALUES (?)", (value,))


def insert_and_fail(database: Database, value: int) -> None:
    with database.transaction():
        insert(database, value)
        raise ZeroDivisionError


def test_a_failed_transaction_leaves_nothing(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        insert_and_fail(database, 1)
    assert values(database) == []


def test_a_part_can_fail_by_itself(database: Database) -> None:
    with database.transaction():
        insert(database, 1)
        with pytest.raises(ZeroDivisionError):
            insert_and_fail(database, 2)
        insert(database, 3)
    assert values(database) == [1, 3]


def test_threads_do_not_see_each_others_halves(database: Database) -> None:
    inside, release = threading.Event(), threading.Event()

    def write() -> None:
        with database.transaction():
            insert(database, 1)
            inside.set()
            release.wait(10)
            insert(database, 2)

    writer = threading.Thread(target=write)
    writer.start()
    inside.wait(10)
    seen: list[list[int]] = []
    reader = threading.Thread(target=lambda: seen.append(values(database)))
    reader.start()
    release.set()
    writer.join()
    reader.join()
    assert seen == [[1, 2]]


def test_many_threads_write_at_once(database: Database) -> None:
    threads = [threading.Thread(target=insert, args=(database, value)) for value in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert values(database) == list(range(20))


def test_what_was_committed_is_there_after_kill_9(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys\n"
        "from sampan.metadata.database import Database\n"
        "from sampan.metadata.build_cache import BuildCacheTable\n"
        "database = Database(sys.argv[1])\n"
        "table = BuildCacheTable(database)\n"
        "table.put('whole', {}, now_ns=1)\n"
        "with database.transaction():\n"
        "    table.put('half', {}, now_ns=1)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    path = f"{tmp_path}/state.db"
    done = subprocess.run([sys.executable, "-c", program, path])
    assert done.returncode == -signal.SIGKILL
    with Database(path) as database:
        assert [row["key"] for row in database.rows("SELECT key FROM build_cache")] == ["whole"]


def test_a_newer_schema_is_left_alone(tmp_path: Path) -> None:
    path = f"{tmp_path}/state.db"
    Database(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(Unsupported, match="newer sampan") as caught:
        Database(path)
    assert caught.value.hint


def test_a_file_that_is_no_database_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.write_bytes(b"not a database, certainly " * 100)
    with pytest.raises(DataCorrupt, match=r"state\.db"):
        Database(str(path))


def test_a_full_disk_is_named_and_loses_nothing(database: Database) -> None:
    insert(database, 1)
    pages = database.row("PRAGMA page_count")
    assert pages is not None
    database.rows(f"PRAGMA max_page_count = {pages[0]}")  # what SQLite then reports is what a full disk gives
    with pytest.raises(DiskFull, match="no space left on device"), database.transaction() as connection:
        connection.execute("CREATE TABLE large AS SELECT zeroblob(1000000) AS data")
    assert values(database) == [1]
    insert(database, 2)
    assert values(database) == [1, 2]


def test_the_parents_of_a_database_are_made(tmp_path: Path) -> None:
    with Database(f"{tmp_path}/a/b/state.db") as database:
        assert os.path.exists(database.path)
