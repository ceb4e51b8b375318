# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
import os
import stat
import tarfile
from pathlib import Path

import pytest

from sampan.engine.copying import (
    CopyTarget,
    base_name,
    clean_path,
    go_mode,
    pack_path,
    stat_path,
    unpack_into,
)
from sampan.errors import InvalidArgument, NotFound


@pytest.mark.parametrize(
    ("path", "cleaned", "base"),
    [
        ("/etc", "/etc", "etc"),
        ("etc", "/etc", "etc"),
        ("/etc/", "/etc/", "etc"),
        ("/etc/.", "/etc/.", "."),
        ("/a/../etc", "/etc", "etc"),
        ("//a/./b", "/a/b", "b"),
        ("/../..", "/", "/"),
        ("/", "/", "/"),
        ("/.", "/.", "."),
    ],
)
def test_paths_are_cleaned_as_go_does(path: str, cleaned: str, base: str) -> None:
    assert clean_path(path) == cleaned
    assert base_name(cleaned) == base


def test_modes_are_gos() -> None:
    assert go_mode(stat.S_IFDIR | 0o1777) == 1 << 31 | 1 << 20 | 0o777
    assert go_mode(stat.S_IFLNK | 0o777) == 1 << 27 | 0o777
    assert go_mode(stat.S_IFREG | 0o4755) == 1 << 23 | 0o755
    assert go_mode(stat.S_IFCHR | 0o600) == 1 << 26 | 1 << 21 | 0o600


@pytest.fixture
def root(tmp_path: Path) -> Path:
    tree = tmp_path / "root"
    (tree / "etc").mkdir(parents=True)
    (tree / "etc/file").write_text("inside")
    (tmp_path / "secret").write_text("outside")
    (tree / "up").symlink_to("../../../../../../etc/file")
    (tree / "dir").symlink_to("/etc")
    (tree / "loop").symlink_to("loop")
    (tree / "lost").symlink_to("/no/../not/here")
    (tree / "out").symlink_to(tmp_path)
    return tree


def open_root(root: Path) -> int:
    return os.open(root, os.O_RDONLY | os.O_DIRECTORY)


def test_a_link_says_where_it_leads_inside_the_root(root: Path) -> None:
    fd = open_root(root)
    targets = {name: stat_path(fd, f"/{name}", "c")["linkTarget"] for name in ("up", "dir", "lost")}
    assert targets == {"up": "/etc/file", "dir": "/etc", "lost": "/not/here"}
    assert stat_path(fd, "/dir/", "c")["mode"] & 1 << 31
    assert stat_path(fd, "/dir/.", "c")["name"] == "."
    os.close(fd)


def test_what_is_wrong_with_a_path_is_said_in_dockers_words(root: Path) -> None:
    fd = open_root(root)
    with pytest.raises(NotFound, match=r"^Could not find the file /no in container c$"):
        stat_path(fd, "/no", "c")
    with pytest.raises(NotFound):
        stat_path(fd, "/out/secret", "c")
    with pytest.raises(InvalidArgument, match="too many levels"):
        stat_path(fd, "/loop/x", "c")
    with pytest.raises(InvalidArgument, match="not a directory"):
        stat_path(fd, "/etc/file/", "c")
    os.close(fd)


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/etc", ["etc", "etc/file"]),
        ("/etc/", ["etc", "etc/file"]),
        ("/etc/.", [".", "./file"]),
        ("/dir", ["dir"]),
        ("/dir/", ["dir", "dir/file"]),
        ("/dir/file", ["file"]),
    ],
)
def test_members_are_named_after_the_path(root: Path, path: str, names: list[str]) -> None:
    fd, out = open_root(root), io.BytesIO()
    pack_path(fd, path, out, "c")
    os.close(fd)
    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as archive:
        assert archive.getnames() == names


def test_an_archive_is_unpacked_inside_the_root_whatever_links_say(root: Path, tmp_path: Path) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name in ("out/planted", "dir/planted"):
            tar.addfile(tarfile.TarInfo(name))
    fd = open_root(root)
    unpack_into(fd, CopyTarget("/"), io.BytesIO(archive.getvalue()), "c")
    with pytest.raises(InvalidArgument, match=r"^extraction point is not a directory$"):
        unpack_into(fd, CopyTarget("/etc/file"), io.BytesIO(archive.getvalue()), "c")
    with pytest.raises(NotFound):
        unpack_into(fd, CopyTarget("/no"), io.BytesIO(archive.getvalue()), "c")
    os.close(fd)
    assert (root / "etc/planted").exists()
    assert sorted(os.listdir(tmp_path)) == ["root", "secret"]
