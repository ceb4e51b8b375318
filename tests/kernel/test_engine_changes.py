# SPDX-License-Identifier: Apache-2.0
"""What a container changed, read from directories as overlayfs leaves them, and made part of an image."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from sampan.archive.whiteout import make_whiteout, set_opaque
from sampan.engine.changes import list_changes
from sampan.engine.commit import remove_mount_points

KINDS = "CAD"


@pytest.fixture
def lower(tmp_path: Path) -> Path:
    lower = tmp_path / "lower"
    for name in ("keep", "gone", "dir/one", "dir/two", "etc/passwd"):
        (lower / name).parent.mkdir(parents=True, exist_ok=True)
        (lower / name).write_text(name)
    return lower


@pytest.fixture
def upper(tmp_path: Path, lower: Path) -> Path:
    upper = tmp_path / "upper"
    for name in ("", "dir", "etc"):
        (upper / name).mkdir()
        (upper / name).chmod(stat.S_IMODE((lower / name).stat().st_mode))
    return upper


def changes(upper: Path, *lowers: Path, is_layered: bool = True) -> list[str]:
    found = list_changes(str(upper), [str(lower) for lower in lowers], is_layered=is_layered)
    return [f"{KINDS[kind]} {path}" for path, kind in found.items()]


def whiteout(path: Path) -> None:
    fd = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    make_whiteout(path.name, dir_fd=fd)
    os.close(fd)


def opaque(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    set_opaque(fd)
    os.close(fd)


def test_folders_that_were_only_walked_through_are_no_change(upper: Path, lower: Path) -> None:
    assert changes(upper, lower) == []


def test_added_changed_and_deleted(upper: Path, lower: Path) -> None:
    (upper / "new/er").mkdir(parents=True)
    (upper / "dir/one").write_text("longer than it was")
    whiteout(upper / "gone")
    whiteout(upper / "never-there")
    assert changes(upper, lower) == ["C /dir", "C /dir/one", "D /gone", "A /new", "A /new/er"]


def test_a_copy_that_was_not_changed_is_no_change(upper: Path, lower: Path) -> None:
    status = (lower / "keep").stat()
    (upper / "keep").write_text("keep")
    (upper / "keep").chmod(stat.S_IMODE(status.st_mode))
    os.utime(upper / "keep", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert changes(upper, lower) == []
    (upper / "keep").chmod(0o600)
    assert changes(upper, lower) == ["C /keep"]


def test_a_folder_made_anew_has_lost_what_it_had(upper: Path, lower: Path) -> None:
    opaque(upper / "dir")
    (upper / "dir/two").write_text("other")
    assert changes(upper, lower) == ["C /dir", "D /dir/one", "C /dir/two"]


def test_a_file_in_place_of_a_folder(upper: Path, lower: Path) -> None:
    (upper / "dir").rmdir()
    (upper / "dir").write_text("")
    assert changes(upper, lower) == ["C /dir"]


def test_several_layers_are_one_tree(tmp_path: Path, upper: Path, lower: Path) -> None:
    middle = tmp_path / "middle"
    middle.mkdir()
    whiteout(middle / "gone")
    (upper / "gone").write_text("back")
    assert changes(upper, middle, lower) == ["A /gone"]


def test_a_whole_copy_is_compared_with_its_parent(tmp_path: Path, lower: Path) -> None:
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy/new").write_text("x")
    assert changes(tmp_path / "copy", lower, is_layered=False) == [
        "D /dir", "D /etc", "D /gone", "D /keep", "A /new",
    ]  # fmt: skip


def test_empty_mount_points_are_no_change(upper: Path, lower: Path) -> None:
    (upper / "proc").mkdir()
    (upper / "etc/hosts").touch()
    assert changes(upper, lower) == []
    (upper / "etc/hosts").write_text("127.0.0.1 mine")
    (upper / "proc/left").touch()
    assert changes(upper, lower) == ["C /etc", "A /etc/hosts", "A /proc", "A /proc/left"]


def test_a_deep_tree_is_no_trouble(upper: Path, lower: Path) -> None:
    folder = upper
    for _ in range(400):
        folder = folder / "d"
        folder.mkdir()
    assert len(changes(upper, lower)) == 400


def test_mount_points_are_removed_where_the_image_has_none(upper: Path, lower: Path) -> None:
    (upper / "sys").mkdir()
    for name in ("hosts", "resolv.conf", "passwd"):
        (upper / "etc" / name).touch()
    (upper / "etc/hostname").write_text("mine")
    remove_mount_points(str(upper), [str(lower)])
    assert sorted(os.listdir(upper)) == ["dir", "etc"]
    assert sorted(os.listdir(upper / "etc")) == ["hostname", "passwd"]


def test_removing_mount_points_follows_no_link_out_of_the_tree(tmp_path: Path, upper: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "hosts").touch()
    (upper / "etc").rmdir()
    (upper / "etc").symlink_to(outside)
    remove_mount_points(str(upper), [])
    assert (outside / "hosts").exists()
    assert (upper / "etc").is_symlink()
