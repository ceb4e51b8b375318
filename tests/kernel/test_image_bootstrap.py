# SPDX-License-Identifier: Apache-2.0
"""The smallest recipe for real: from Debian's archive into the image store, and into a root that runs."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from sampan.bootstrap.command import Request, open_archive
from sampan.bootstrap.progress import Event
from sampan.content.store import ContentStore
from sampan.image.store import ImageStore
from sampan.metadata.database import Database
from sampan.snapshot.store import SnapshotStore

pytestmark = pytest.mark.timeout(180)


def build(cache: Path, *, use_cache: bool = True) -> tuple[bytes, list[Event], float | None]:
    events: list[Event] = []
    environ = {**os.environ, "XDG_CACHE_HOME": str(cache), "SOURCE_DATE_EPOCH": "1700000000"}
    with open_archive(Request(name="busybox", use_cache=use_cache), environ, events.append) as (
        outcome,
        stream,
    ):
        return stream.read(), events, outcome.cached_age_s


def test_busybox_is_built_once_runs_and_is_the_same_again(tmp_path: Path) -> None:
    archive, events, age = build(tmp_path / "cache")
    assert age is None
    assert "fetching packages" in {event.phase for event in events}
    again, events, age = build(tmp_path / "cache")
    assert (again, events) == (archive, [])
    assert age is not None
    assert build(tmp_path / "cache", use_cache=False)[0] == archive
    assert_it_runs(archive, tmp_path)


def assert_it_runs(archive: bytes, tmp_path: Path) -> None:
    database = Database(str(tmp_path / "state.db"))
    snapshots = SnapshotStore(str(tmp_path / "snapshots"), database)
    store = ImageStore(database, ContentStore(str(tmp_path / "content")), snapshots)
    ((image, names),) = store.load(io.BytesIO(archive))
    assert names == ["busybox:latest"]
    assert image.run_config["Cmd"] == ["sh"]
    assert image.chain_id is not None
    root = snapshots.fs_path(image.chain_id)
    assert not os.path.exists(f"{root}/etc/resolv.conf")
    assert os.listdir(f"{root}/dev") == []
    said = subprocess.run(
        ["chroot", root, "/bin/sh", "-c", "id -un; env echo works; tar --help 2>&1 | head -1"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.splitlines()[:2] == ["root", "works"]
    assert "BusyBox" in said.stdout
    database.close()


def test_a_recipe_of_ones_own_puts_its_files_and_answers_in(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text(
        'name = "mine:1"\nbase = "busybox"\nscript = "echo made > /made"\n'
        '[links]\n"/link" = "/made"\n[probes]\nANSWER = "cat /made"\n[settings]\ncmd = ["cat", "/link"]\n'
    )
    environ = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    with open_archive(Request(recipe_file=str(recipe)), environ, lambda _: None) as (outcome, stream):
        assert outcome.references == ("mine:1",)
        with tarfile.open(fileobj=io.BytesIO(stream.read())) as archive:
            config = next(
                name for name in archive.getnames() if name.endswith(".json") and name != "manifest.json"
            )
            assert b'"ANSWER=made"' in archive.extractfile(config).read()
            layer = next(name for name in archive.getnames() if name.endswith("layer.tar"))
            with tarfile.open(fileobj=archive.extractfile(layer)) as root:
                assert root.getmember("./link").linkname == "/made"
