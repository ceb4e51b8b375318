# SPDX-License-Identifier: Apache-2.0
"""What every snapshot driver must do. A test module subclasses it and says how to make a store."""

import os
import stat
from pathlib import Path

import pytest

from sampan.errors import Conflict
from sampan.snapshot.model import Kind, SnapshotExists, SnapshotInUse, SnapshotNotFound
from sampan.snapshot.store import SnapshotStore


class SnapshotContract:
    """Life cycle, names and trees; what a mount shows is tested where mounting is possible."""

    @pytest.fixture
    def store(self) -> SnapshotStore:
        raise NotImplementedError

    def committed(self, store: SnapshotStore, name: str, parent: str | None = None, **files: str) -> str:
        store.prepare(f"making {name}", parent)
        for file, content in files.items():
            Path(store.upper_path(f"making {name}"), file).write_text(content)
        store.commit(f"making {name}", name)
        return name

    def seen(self, store: SnapshotStore, name: str) -> dict[str, str]:
        """The files of the tree that a snapshot's directories make."""
        tree: dict[str, str] = {}
        for directory in reversed(store.lowers(name)):
            tree |= {file.name: file.read_text() for file in Path(directory).iterdir()}
        return tree

    def test_a_child_has_what_its_parent_has(self, store: SnapshotStore) -> None:
        self.committed(store, "base", a="1", b="1")
        self.committed(store, "top", "base", b="2", c="2")
        assert self.seen(store, "base") == {"a": "1", "b": "1"}
        assert self.seen(store, "top") == {"a": "1", "b": "2", "c": "2"}

    def test_a_parent_never_changes(self, store: SnapshotStore) -> None:
        self.committed(store, "base", a="1")
        store.prepare("child", "base")
        Path(store.upper_path("child"), "a").unlink(missing_ok=True)
        Path(store.upper_path("child"), "a").write_text("changed")
        assert self.seen(store, "base") == {"a": "1"}

    def test_the_life_of_a_snapshot(self, store: SnapshotStore) -> None:
        active = store.prepare("key")
        assert (active.kind, active.parent) == (Kind.ACTIVE, None)
        done = store.commit("key", "name")
        assert (done.kind, done.number) == (Kind.COMMITTED, active.number)
        assert store.stat("name") == done
        assert not store.exists("key")
        store.rename("name", "other")
        assert store.stat("other").number == active.number
        store.remove("other")
        assert store.walk() == []
        assert os.listdir(store.root) == []

    def test_names_and_keys_are_unique(self, store: SnapshotStore) -> None:
        self.committed(store, "base")
        store.prepare("key")
        for attempt in (
            lambda: store.prepare("key"),
            lambda: store.prepare("base"),
            lambda: store.commit("key", "base"),
            lambda: store.rename("key", "base"),
            lambda: store.view("key", "base"),
        ):
            with pytest.raises(SnapshotExists):
                attempt()
        assert {item.name for item in store.walk()} == {"base", "key"}
        assert store.sweep() == []

    def test_what_others_stand_on_stays(self, store: SnapshotStore) -> None:
        self.committed(store, "base", a="1")
        store.prepare("child", "base")
        store.view("view", "base")
        with pytest.raises(SnapshotInUse) as caught:
            store.remove("base")
        assert caught.value.children == ("child", "view")
        assert self.seen(store, "base") == {"a": "1"}
        store.remove("child")
        store.remove("view")
        store.remove("base")

    def test_only_the_committed_can_be_parents(self, store: SnapshotStore) -> None:
        store.prepare("key")
        with pytest.raises(Conflict, match="cannot be a parent"):
            store.prepare("child", "key")
        with pytest.raises(Conflict, match="cannot be a parent"):
            store.view("view", "key")
        assert store.sweep() == []

    def test_only_the_active_can_be_committed(self, store: SnapshotStore) -> None:
        self.committed(store, "base")
        store.view("view", "base")
        for name in ("base", "view"):
            with pytest.raises(Conflict, match="not active"):
                store.commit(name, "again")

    def test_the_unknown_is_named(self, store: SnapshotStore) -> None:
        for attempt in (
            lambda: store.prepare("key", "unknown"),
            lambda: store.view("key", "unknown"),
            lambda: store.commit("unknown", "name"),
            lambda: store.mount("unknown"),
            lambda: store.usage("unknown"),
            lambda: store.remove("unknown"),
        ):
            with pytest.raises(SnapshotNotFound, match=r"^snapshot unknown does not exist$"):
                attempt()
        assert os.listdir(store.root) == []

    def test_usage_counts_files_once(self, store: SnapshotStore) -> None:
        store.prepare("key")
        path = Path(store.upper_path("key"))
        path.joinpath("file").write_text("12345")
        path.joinpath("link").hardlink_to(path / "file")
        path.joinpath("directory").mkdir()
        assert store.usage("key") == (5, 2)
        store.commit("key", "name")
        assert store.usage("name") == store.usage("name") == (5, 2)

    def test_a_root_keeps_its_owner_and_mode(self, store: SnapshotStore) -> None:
        store.prepare("key")
        os.chmod(store.upper_path("key"), 0o1777)
        os.chown(store.upper_path("key"), 12, 34)
        store.commit("key", "base")
        store.prepare("child", "base")
        status = os.stat(store.upper_path("child"))
        assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (0o1777, 12, 34)

    def test_views_and_the_committed_are_mounted_read_only(self, store: SnapshotStore) -> None:
        self.committed(store, "base")
        self.committed(store, "top", "base")
        store.view("view", "top")
        assert store.mount("view").readonly
        assert store.mount("top").readonly
        assert store.lowers("view") == store.lowers("top")
        store.prepare("key", "top")
        assert not store.mount("key").readonly

    def test_removal_can_wait(self, store: SnapshotStore) -> None:
        self.committed(store, "base", a="1")
        store.remove("base", deferred=True)
        assert not store.exists("base")
        assert os.listdir(store.root) != []
        store.purge()
        assert os.listdir(store.root) == []

    def test_a_sweep_removes_what_has_no_name_and_nothing_else(self, store: SnapshotStore) -> None:
        self.committed(store, "base", a="1")
        os.makedirs(f"{store.root}/.new-left/fs/deep/er")
        os.makedirs(f"{store.root}/4711/fs")
        assert store.sweep() == [".new-left", "4711"]
        assert self.seen(store, "base") == {"a": "1"}

    def test_a_leftover_with_the_next_number_gives_way(self, store: SnapshotStore) -> None:
        os.makedirs(f"{store.root}/{store.prepare('first').number + 1}/fs/leftover")
        store.prepare("second")
        assert os.listdir(store.upper_path("second")) == []

    def test_a_trees_symbolic_links_lead_nowhere_when_it_is_removed(
        self, store: SnapshotStore, tmp_path: Path
    ) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        outside.joinpath("precious").write_text("kept")
        store.prepare("key")
        Path(store.upper_path("key"), "link").symlink_to(outside)
        Path(store.upper_path("key"), "down").mkdir()
        Path(store.upper_path("key"), "down", "link").symlink_to("../../../../outside")
        store.remove("key")
        assert outside.joinpath("precious").read_text() == "kept"
        assert os.listdir(store.root) == []

    def test_a_very_deep_tree_can_be_removed(self, store: SnapshotStore) -> None:
        store.prepare("key")
        here = os.open(store.upper_path("key"), os.O_DIRECTORY)
        for _ in range(3000):
            os.mkdir("d", dir_fd=here)
            below = os.open("d", os.O_DIRECTORY, dir_fd=here)
            os.close(here)
            here = below
        os.close(here)
        store.remove("key")
        assert os.listdir(store.root) == []
