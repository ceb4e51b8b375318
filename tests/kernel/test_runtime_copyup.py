# SPDX-License-Identifier: Apache-2.0
"""An empty volume starts with the image's files, exactly as they are there; a volume in use is left alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sampan.runtime import copy_up


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "root/data").mkdir(parents=True)
    (tmp_path / "volume").mkdir()
    fd = os.open(tmp_path / "root", os.O_PATH)
    yield fd
    os.close(fd)


def test_everything_about_a_file_is_kept(root: int, tmp_path: Path) -> None:
    data, volume = tmp_path / "root/data", tmp_path / "volume"
    (data / "file").write_text("text")
    os.chown(data / "file", 12, 34)
    (data / "file").chmod(0o4750)
    os.setxattr(data / "file", "user.colour", b"red")
    os.utime(data / "file", ns=(10**18, 10**18 + 5))
    (data / "sub").mkdir(0o711)
    os.link(data / "file", data / "sub/twin")
    (data / "dangling").symlink_to("/no/where")
    os.chown(data / "dangling", 5, 6, follow_symlinks=False)
    os.mkfifo(data / "pipe", 0o620)
    os.mknod(data / "null", 0o020666, os.makedev(1, 3))
    data.chmod(0o700)
    os.chown(data, 77, 78)
    assert copy_up(root, "/data", str(volume))
    copied = (volume / "file").stat()
    assert (copied.st_uid, copied.st_gid, copied.st_mode & 0o7777) == (12, 34, 0o4750)
    assert copied.st_mtime_ns == 10**18 + 5
    assert os.getxattr(volume / "file", "user.colour") == b"red"
    assert (volume / "sub/twin").stat().st_ino == copied.st_ino
    assert (volume / "sub").stat().st_mode & 0o777 == 0o711
    assert str((volume / "dangling").readlink()) == "/no/where"
    assert (volume / "dangling").lstat().st_uid == 5
    assert (volume / "pipe").is_fifo()
    assert (volume / "null").stat().st_rdev == os.makedev(1, 3)
    assert (volume.stat().st_uid, volume.stat().st_mode & 0o777) == (77, 0o700)


def test_a_volume_in_use_is_left_alone(root: int, tmp_path: Path) -> None:
    (tmp_path / "root/data/image").write_text("")
    (tmp_path / "volume/mine").write_text("")
    assert not copy_up(root, "/data", str(tmp_path / "volume"))
    assert os.listdir(tmp_path / "volume") == ["mine"]


def test_a_missing_folder_and_a_file_are_nothing_to_copy(root: int, tmp_path: Path) -> None:
    (tmp_path / "root/file").write_text("")
    for path in ("/none", "/file"):
        assert not copy_up(root, path, str(tmp_path / "volume"))
    assert os.listdir(tmp_path / "volume") == []


def test_a_link_in_the_image_leads_nowhere_on_the_host(root: int, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/key").write_text("")
    (tmp_path / "root/link").symlink_to(tmp_path / "secret")
    (tmp_path / "root/data/inner").symlink_to(tmp_path / "secret")
    assert not copy_up(root, "/link", str(tmp_path / "volume"))
    assert copy_up(root, "/data", str(tmp_path / "volume"))
    assert (tmp_path / "volume/inner").is_symlink()
