# SPDX-License-Identifier: Apache-2.0
"""Snapshots under the kernel's own overlayfs, and through kill -9."""

import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sampan.archive.apply import apply_layer
from sampan.archive.diff import write_layer, write_tree_diff
from sampan.archive.merged import MergedTree
from sampan.metadata.database import Database
from sampan.snapshot.driver import CopyDriver
from sampan.snapshot.store import SnapshotStore
from suites.private_mounts import run_with_private_mounts

WRITE_ON_OVERLAY = """
target, options = sys.argv[1:]
mount("overlay", target, "overlay", 0, options)
os.chdir(target)
os.unlink("removed")
os.unlink("directory/removed")
os.rename("moved", "elsewhere")
open("changed", "a").write(" and more")
os.unlink("replaced/file"); os.rmdir("replaced"); os.mkdir("replaced"); open("replaced/new", "w").write("new")
os.unlink("was-file"); os.mkdir("was-file")
os.chmod("mode", 0o4711)
os.link("kept", "kept-too")
os.chdir("/")
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SnapshotStore]:
    with Database(f"{tmp_path}/state.db") as database:
        yield SnapshotStore(f"{tmp_path}/snapshots", database)


def make_base(store: SnapshotStore) -> None:
    store.prepare("base key")
    root = Path(store.upper_path("base key"))
    for directory in ("directory", "moved", "replaced"):
        (root / directory).mkdir()
    for file in ("removed", "directory/removed", "directory/kept", "moved/file", "replaced/file"):
        (root / file).write_text(file)
    for file in ("changed", "mode", "kept", "was-file"):
        (root / file).write_text(file)
    store.commit("base key", "base")


def listing(directories: tuple[str, ...]) -> dict[str, tuple[int, int, int, bytes]]:
    """What a merged tree has: mode, owner and content by path."""
    found = {}
    with MergedTree(directories) as tree, tree.open_node("/") as root:
        for path, node in tree.walk(root):
            content = b""
            if not node.is_directory:
                fd = node.open()
                content = os.read(fd, 1 << 20)
                os.close(fd)
            found[path] = (node.status.st_mode, node.status.st_uid, node.status.st_gid, content)
    return found


EXPECTED = {
    "changed": b"changed and more",
    "directory": b"",
    "directory/kept": b"directory/kept",
    "elsewhere": b"",
    "elsewhere/file": b"moved/file",
    "kept": b"kept",
    "kept-too": b"kept",
    "mode": b"mode",
    "replaced": b"",
    "replaced/new": b"new",
    "was-file": b"",
}


@pytest.fixture
def written(store: SnapshotStore, tmp_path: Path) -> SnapshotStore:
    """A store whose snapshot `top` was made by a process on a mounted overlay."""
    make_base(store)
    store.prepare("key", "base")
    (tmp_path / "mounted").mkdir()
    options = store.mount("key", volatile=True).overlay_options()
    # A directory cannot be renamed on an overlay without redirects: mv copies it, and so does this.
    program = WRITE_ON_OVERLAY.replace(
        'os.rename("moved", "elsewhere")', 'import shutil; shutil.move("moved", "elsewhere")'
    )
    run_with_private_mounts(program, str(tmp_path / "mounted"), options)
    store.commit("key", "top")
    return store


def test_the_merged_tree_is_what_the_kernel_shows(written: SnapshotStore) -> None:
    found = listing(written.lowers("top"))
    assert {path: entry[3] for path, entry in found.items()} == EXPECTED
    assert found["mode"][0] & 0o7777 == 0o4711


def test_a_layer_of_an_overlay_applies_to_the_same_tree(written: SnapshotStore) -> None:
    layer = io.BytesIO()
    made = write_layer(written.fs_path("top"), layer)
    expected = listing(written.lowers("top"))
    written.prepare("again", "base")
    target = os.open(written.upper_path("again"), os.O_DIRECTORY)
    applied = apply_layer(io.BytesIO(layer.getvalue()), target, lowers=written.lowers("base"))
    os.close(target)
    assert applied.diff_id == made.diff_id
    assert listing(written.lowers("again")) == expected
    assert write_layer(written.fs_path("again"), None) == made


def test_both_drivers_agree_about_a_layer(written: SnapshotStore, tmp_path: Path) -> None:
    layer = io.BytesIO()
    write_layer(written.fs_path("top"), layer)
    with Database(f"{tmp_path}/copy.db") as database:
        copies = SnapshotStore(f"{tmp_path}/copies", database, CopyDriver())
        make_base(copies)
        copies.prepare("key", "base")
        target = os.open(copies.upper_path("key"), os.O_DIRECTORY)
        apply_layer(io.BytesIO(layer.getvalue()), target, is_layered=False)
        os.close(target)
        assert listing(copies.lowers("key")) == listing(written.lowers("top"))

        compared = io.BytesIO()
        write_tree_diff(copies.fs_path("base"), copies.fs_path("key"), compared)
        written.prepare("again", "base")
        target = os.open(written.upper_path("again"), os.O_DIRECTORY)
        apply_layer(io.BytesIO(compared.getvalue()), target, lowers=written.lowers("base"))
        os.close(target)
        assert listing(written.lowers("again")) == listing(written.lowers("top"))


CRASHES = {
    "placing a directory": "store._place = die",
    "naming it": "real = store._place; store._place = lambda *a: (real(*a), die())",
    "committing": "import sampan.snapshot.store as m; m.remove_tree = die",
    "removing": "os.rename = die",
    "deleting the tree": "store._delete = die",
}


@pytest.mark.parametrize("moment", CRASHES)
def test_kill_9_leaves_a_store_that_opens(tmp_path: Path, moment: str) -> None:
    program = (
        "import os, signal, sys\n"
        "from sampan.metadata.database import Database\n"
        "from sampan.snapshot.store import SnapshotStore\n"
        "store = SnapshotStore(sys.argv[1] + '/snapshots', Database(sys.argv[1] + '/state.db'))\n"
        "def die(*_): os.kill(os.getpid(), signal.SIGKILL)\n"
        "store.prepare('one'); store.commit('one', 'base')\n"
        f"{CRASHES[moment]}\n"
        "store.prepare('two', 'base')\n"
        "store.commit('two', 'top')\n"
        "store.remove('top')\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)])
    assert done.returncode == -signal.SIGKILL
    with Database(f"{tmp_path}/state.db") as database:
        store = SnapshotStore(f"{tmp_path}/snapshots", database)
        store.sweep()
        assert store.exists("base")
        for snapshot in store.walk():
            assert os.path.isdir(store.fs_path(snapshot.name))
        assert set(os.listdir(store.root)) == {str(snapshot.number) for snapshot in store.walk()}
        store.prepare("two more", "base")
        store.commit("two more", "top more")
