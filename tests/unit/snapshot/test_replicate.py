# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sampan.linux.descent import Descent
from sampan.snapshot.replicate import replicate_tree

DEPTH = 3000  # deeper than calls may be, than descriptors may be open, and than a path may be long


@pytest.fixture
def deep(tmp_path: Path) -> Iterator[Path]:
    base = tmp_path / "deep"
    base.mkdir()
    _walk_down(base, make=True)
    yield base
    for root in (base, tmp_path / "copy"):
        _remove_deep(root)


def test_a_tree_deeper_than_any_limit_is_copied(deep: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    replicate_tree(str(deep), str(copy))
    assert _walk_down(copy, make=False) == "found"


def test_links_modes_and_times_are_the_same(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "a").mkdir(parents=True)
    target.mkdir()
    (source / "a" / "file").write_text("text")
    os.link(source / "a" / "file", source / "twin")
    os.symlink("a/file", source / "link")
    (source / "a").chmod(0o1750)
    os.utime(source / "a", ns=(1, 2))
    replicate_tree(str(source), str(target))
    assert (target / "twin").samefile(target / "a" / "file")
    assert os.readlink(target / "link") == "a/file"
    status = (target / "a").stat()
    assert (status.st_mode & 0o7777, status.st_mtime_ns) == (0o1750, 2)


def _walk_down(base: Path, *, make: bool) -> str:
    root = os.open(base, os.O_RDONLY)
    place = Descent(root)
    try:
        for _ in range(DEPTH):
            if make:
                os.mkdir("d", dir_fd=place.fd)
            place.enter("d")
        flags = os.O_RDWR | os.O_CREAT if make else os.O_RDONLY
        with open(os.open("end", flags, dir_fd=place.fd), "r+" if make else "r") as file:
            if make:
                file.write("found")
            return file.read()
    finally:
        place.close()
        os.close(root)


def _remove_deep(base: Path) -> None:
    """Bring each level up to the top, for shutil and pytest go as deep as calls and paths may be."""
    while (base / "d" / "d").exists():
        os.rename(base / "d" / "d", base / "up")
        os.rmdir(base / "d")
        os.rename(base / "up", base / "d")
