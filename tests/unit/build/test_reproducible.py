# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from pathlib import Path

import pytest

from sampan.build.clamping import clamp_times
from sampan.build.differences import compare_trees
from sampan.build.exports.options import ExportOptions
from sampan.build.reproducible import Times, date_arguments, plan_times
from sampan.build.request import BuildRequest
from sampan.errors import InvalidArgument

SECOND = 1_000_000_000


def _tree(folder: Path) -> Path:
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "file").write_bytes(b"content")
    (folder / "link").symlink_to("sub/file")
    os.mkfifo(folder / "fifo")
    return folder


def _times(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.lstat().st_mtime_ns for path in folder.rglob("*")}


@pytest.mark.parametrize(
    ("words", "rewrites", "expected"),
    [
        ({}, True, Times()),
        ({"SOURCE_DATE_EPOCH": ""}, True, Times()),
        ({"SOURCE_DATE_EPOCH": "7"}, False, Times(7 * SECOND)),
        ({"SOURCE_DATE_EPOCH": "0"}, True, Times(0, 0)),
    ],
)
def test_the_argument_dates_a_build(words: dict[str, str], rewrites: bool, expected: Times) -> None:
    output = ExportOptions(rewrites_times=rewrites)
    assert plan_times(BuildRequest("", outputs=(output,)), words) == expected


@pytest.mark.parametrize("text", ["now", "1.5", "0x10", " 1", "-1", "9" * 12, "9" * 20])
def test_what_is_no_number_of_seconds_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="invalid SOURCE_DATE_EPOCH"):
        plan_times(BuildRequest(""), {"SOURCE_DATE_EPOCH": text})


def test_keys_differ_by_the_time_that_files_get() -> None:
    keys = {times.key("k") for times in (Times(), Times(SECOND), Times(SECOND, SECOND), Times(1, 2 * SECOND))}
    assert len(keys) == 3
    assert "k" in keys


def test_the_newest_file_that_is_not_ignored_dates_a_build(tmp_path: Path) -> None:
    _tree(tmp_path)
    (tmp_path / ".git").mkdir()
    for name, time in (("sub/file", 50), ("link", 40), ("fifo", 90)):
        os.utime(tmp_path / name, (time, time), follow_symlinks=False)
    (tmp_path / ".git" / "index").write_bytes(b"")
    (tmp_path / ".dockerignore").write_text("fifo\n.dockerignore\n")
    request = BuildRequest(str(tmp_path), reproducible=True)
    assert date_arguments(request, {"A": "b"}) == {"A": "b", "SOURCE_DATE_EPOCH": "50"}
    assert date_arguments(request, {"SOURCE_DATE_EPOCH": "3"}) == {"SOURCE_DATE_EPOCH": "3"}
    assert date_arguments(BuildRequest(str(tmp_path)), {}) == {}


def test_what_is_younger_gets_the_time_and_the_rest_keeps_its_own(tmp_path: Path) -> None:
    _tree(tmp_path)
    os.utime(tmp_path / "sub" / "file", (5, 5))
    clamp_times(str(tmp_path), None, 10 * SECOND)
    assert _times(tmp_path) == {
        "sub": 10 * SECOND,
        "sub/file": 5 * SECOND,
        "link": 10 * SECOND,
        "fifo": 10 * SECOND,
    }


def test_in_a_whole_tree_what_is_as_below_keeps_its_time(tmp_path: Path) -> None:
    above, below = _tree(tmp_path / "above"), _tree(tmp_path / "below")
    for tree in (above, below):
        os.utime(tree / "sub" / "file", (70, 70))
    clamp_times(str(above), str(below), 10 * SECOND)
    assert _times(above)["sub/file"] == 70 * SECOND
    assert _times(above)["link"] == 10 * SECOND


def test_equal_trees_have_no_differences_and_others_each_of_theirs(tmp_path: Path) -> None:
    first, second = _tree(tmp_path / "1"), _tree(tmp_path / "2")
    for tree in (first, second):
        clamp_times(str(tree), None, SECOND)
    assert list(compare_trees(str(first), str(second))) == []
    (first / "only").mkdir()
    (second / "sub" / "file").write_bytes(b"contenT!")
    (second / "link").unlink()
    (second / "link").symlink_to("elsewhere")
    (second / "fifo").unlink()
    (second / "fifo").mkdir()
    os.chmod(second / "sub", 0o700)
    os.chown(second / "sub", 1, 2)
    os.setxattr(second / "sub", "user.a", b"b")
    os.utime(second / "sub", (9, 9))
    os.utime(second / "sub" / "file", (1, 1))
    os.utime(second / "link", (1, 1), follow_symlinks=False)
    assert list(compare_trees(str(first), str(second))) == [
        "/fifo: a FIFO, then a folder",
        "/link: link to sub/file, then elsewhere",
        "/only is only in the first result",
        "/sub: mode 755, then 700, owner 0:0, then 1:2, time 1, then 9, attributes",
        "/sub/file: 7 bytes, then 8, content differs from byte 6 on",
    ]
