# SPDX-License-Identifier: Apache-2.0
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from sampan.metadata.database import Database
from sampan.snapshot.driver import CopyDriver, OverlayDriver
from sampan.snapshot.store import SnapshotStore
from suites.snapshot_contract import SnapshotContract


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database(f"{tmp_path}/state.db") as opened:
        yield opened


class TestOverlay(SnapshotContract):
    @pytest.fixture
    def store(self, tmp_path: Path, database: Database) -> SnapshotStore:
        return SnapshotStore(f"{tmp_path}/snapshots", database, OverlayDriver())

    def test_the_lower_directories_come_top_first(self, store: SnapshotStore) -> None:
        for name, parent in (("a", None), ("b", "a"), ("c", "b")):
            self.committed(store, name, parent)
        store.prepare("key", "c")
        mount = store.mount("key")
        assert mount.kind == "overlay"
        assert mount.lower == tuple(f"{store.root}/{store.stat(name).number}/fs" for name in "cba")
        assert mount.document()["upper"] == mount.upper == store.upper_path("key")

    def test_nothing_below_needs_no_overlay(self, store: SnapshotStore) -> None:
        store.prepare("key")
        assert store.mount("key").document() == {
            "type": "bind",
            "source": store.upper_path("key"),
            "readonly": False,
        }

    def test_options_of_many_layers_fit_in_a_page(self, store: SnapshotStore) -> None:
        parent = None
        for position in range(127):
            parent = self.committed(store, f"layer {position}", parent)
        store.prepare("key", parent)
        options = store.mount("key").overlay_options(relative_to=store.root)
        assert options.count(":") == 126
        assert len(options) < 4096

    def test_a_volatile_mount_can_be_repeated(self, store: SnapshotStore) -> None:
        self.committed(store, "base")
        store.prepare("key", "base")
        mount = store.mount("key", volatile=True)
        os.makedirs(f"{mount.work}/work/incompat/volatile")
        store.mount("key", volatile=True)
        assert not os.path.exists(f"{mount.work}/work/incompat")


class TestCopy(SnapshotContract):
    @pytest.fixture
    def store(self, tmp_path: Path, database: Database) -> SnapshotStore:
        return SnapshotStore(f"{tmp_path}/snapshots", database, CopyDriver())

    def test_a_copy_has_everything_a_file_can_have(self, store: SnapshotStore) -> None:
        store.prepare("key")
        root = Path(store.upper_path("key"))
        file = root / "file"
        file.write_text("content")
        os.chown(file, 5, 6)
        os.chmod(file, 0o4755)
        os.setxattr(file, "user.note", b"\0kept")
        os.utime(file, ns=(1, 1_234_567_890_123_456_789))
        (root / "link").hardlink_to(file)
        (root / "symlink").symlink_to("/nowhere")
        os.mknod(root / "device", stat.S_IFCHR | 0o640, os.makedev(1, 3))
        os.mkfifo(root / "fifo", 0o600)
        store.commit("key", "base")
        store.prepare("child", "base")
        copy = Path(store.upper_path("child"))
        status = os.stat(copy / "file")
        assert (copy / "file").read_text() == "content"
        assert stat.S_IMODE(status.st_mode) == 0o4755
        assert (status.st_uid, status.st_gid, status.st_nlink) == (5, 6, 2)
        assert status.st_mtime_ns == 1_234_567_890_123_456_789
        assert os.getxattr(copy / "file", "user.note") == b"\0kept"
        assert os.stat(copy / "link").st_ino == status.st_ino != os.stat(file).st_ino
        assert os.readlink(copy / "symlink") == "/nowhere"
        assert os.stat(copy / "device").st_rdev == os.makedev(1, 3)
        assert stat.S_ISFIFO(os.stat(copy / "fifo").st_mode)
