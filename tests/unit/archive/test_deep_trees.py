# SPDX-License-Identifier: Apache-2.0
"""Trees deeper and wider than descriptors, paths and Python's own stack: a container may make them."""

from __future__ import annotations

import contextlib
import io
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from sampan.archive.diff import write_layer
from sampan.archive.merged import MergedTree
from sampan.archive.walk import iter_tree
from sampan.engine.changes import list_changes
from sampan.linux.descent import MOST_OPEN, Descent
from sampan.linux.tree import remove_tree
from sampan.snapshot.tree import measure_tree

DEPTH = 3000
WIDTH = 600


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """3,000 levels, with a file at the end and one on the way, beside 600 directories in one."""
    top = tmp_path_factory.mktemp("hostile")
    for number in range(WIDTH):
        (top / f"wide/{number:04}").mkdir(parents=True)
    with contextlib.ExitStack() as stack:
        fd = os.open(top, os.O_RDONLY)
        for level in range(DEPTH):
            os.mkdir("d", dir_fd=fd)
            below = os.open("d", os.O_RDONLY, dir_fd=fd)
            if level == DEPTH // 2:
                os.close(os.open("z", os.O_CREAT | os.O_WRONLY, dir_fd=fd))  # found on the way back
            os.close(fd)
            fd = below
        stack.callback(os.close, fd)
        os.close(os.open("last", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    yield top
    remove_tree(str(top))


@pytest.fixture(autouse=True)
def few_descriptors() -> Iterator[None]:
    """As many as a shell gives: far less than there are directories."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(map(int, os.listdir("/proc/self/fd")))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + MOST_OPEN + 20, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


EXPECTED = DEPTH + 2 + 1 + WIDTH


def test_it_is_walked(hostile: Path) -> None:
    before = os.listdir("/proc/self/fd")
    fd = os.open(hostile, os.O_RDONLY)
    paths = [found.path for found in iter_tree(fd)]
    os.close(fd)
    assert len(paths) == EXPECTED
    assert paths[DEPTH] == "d/" * DEPTH + "last"
    assert paths[DEPTH + 1] == "d/" * (DEPTH // 2) + "z"
    assert os.listdir("/proc/self/fd") == before


def test_a_walk_that_is_given_up_closes_what_it_opened(hostile: Path) -> None:
    fd = os.open(hostile, os.O_RDONLY)
    before = len(os.listdir("/proc/self/fd"))
    walk = iter_tree(fd)
    for _ in range(DEPTH // 2):
        next(walk)
    walk.close()  # type: ignore[attr-defined]
    assert len(os.listdir("/proc/self/fd")) == before
    os.close(fd)


def test_it_is_packed_measured_and_compared(hostile: Path) -> None:
    out = io.BytesIO()
    write_layer(str(hostile), out)
    assert out.tell() > EXPECTED * 512
    assert measure_tree(str(hostile)) == (0, EXPECTED)
    assert len(list_changes(str(hostile), [])) == EXPECTED
    with MergedTree([str(hostile)]) as tree, tree.open_node("/") as root:
        assert sum(1 for _ in tree.walk(root)) == EXPECTED
        assert [path for path, _ in tree.walk(root, enters=lambda _: False)] == ["d", "wide"]


def test_stacked_on_another_it_is_walked(hostile: Path, tmp_path: Path) -> None:
    (tmp_path / "d/d/d").mkdir(parents=True)
    (tmp_path / "d/d/upper").touch()
    before = os.listdir("/proc/self/fd")
    with MergedTree([str(tmp_path), str(hostile)]) as tree, tree.open_node("/") as root:
        paths = [path for path, _ in tree.walk(root)]
    assert len(paths) == EXPECTED + 1
    assert paths[DEPTH] == "d/" * DEPTH + "last"
    assert paths[-WIDTH - 2] == "d/d/upper"
    assert os.listdir("/proc/self/fd") == before


def test_a_directory_that_was_moved_away_does_not_lead_outside(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    outside.mkdir()
    (inside / "/".join(["d"] * (MOST_OPEN + 2))).mkdir(parents=True)
    top = os.open(inside, os.O_RDONLY)
    descent = Descent(top)
    for _ in range(MOST_OPEN + 2):
        descent.enter("d")
    (inside / "d/d").rename(outside / "d")
    with pytest.raises(OSError, match="moved while it was read"):
        go_up(descent, MOST_OPEN + 2)
    descent.close()
    os.close(top)


def go_up(descent: Descent, levels: int) -> None:
    for _ in range(levels):
        descent.leave()
