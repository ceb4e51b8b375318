# SPDX-License-Identifier: Apache-2.0
"""Paths inside a root: nothing leads out of it, and what is missing is made in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sampan.linux import resolve


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "root").mkdir()
    (tmp_path / "secret").write_text("secret")
    fd = os.open(tmp_path / "root", os.O_PATH)
    yield fd
    os.close(fd)


def place(fd: int) -> str:
    path = os.readlink(f"/proc/self/fd/{fd}")
    os.close(fd)
    return path


@pytest.mark.parametrize("path", ["../secret", "/../secret", "up/secret", "absolute", "/dir/../../../secret"])
def test_no_path_leads_out(root: int, tmp_path: Path, path: str) -> None:
    (tmp_path / "root/dir").mkdir()
    (tmp_path / "root/up").symlink_to("../../../..")
    (tmp_path / "root/absolute").symlink_to(tmp_path / "secret")
    with pytest.raises(FileNotFoundError):
        resolve.open_in_root(root, path)


def test_magic_links_are_not_followed(root: int) -> None:
    proc = os.open("/proc", os.O_PATH)
    try:
        with pytest.raises(OSError, match=r"too many levels|cross-device"):  # by version of the kernel
            resolve.open_in_root(proc, "self/root/etc")
    finally:
        os.close(proc)


@pytest.mark.parametrize(
    ("path", "made"),
    [
        ("/a/b/c", "a/b/c"),
        ("a/../../b", "b"),
        ("link/x", "elsewhere/deep/x"),
        ("/loop/../a", "a"),
        ("there", "there"),
        ("chain", "elsewhere/deep"),
    ],
)
def test_missing_directories_are_made_inside(root: int, tmp_path: Path, path: str, made: str) -> None:
    base = tmp_path / "root"
    (base / "there").mkdir()
    (base / "link").symlink_to("/../../elsewhere/deep")
    (base / "chain").symlink_to("link")
    (base / "loop").mkdir()
    assert place(resolve.makedirs_in_root(root, path)) == str(base / made)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["root", "secret"]


def test_a_loop_of_links_ends_in_an_error(root: int, tmp_path: Path) -> None:
    (tmp_path / "root/a").symlink_to("b")
    (tmp_path / "root/b").symlink_to("a")
    with pytest.raises(OSError, match="too many levels"):
        resolve.makedirs_in_root(root, "a/x")


def test_a_file_in_the_way_is_an_error(root: int, tmp_path: Path) -> None:
    (tmp_path / "root/file").write_text("")
    for path in ("file", "file/x"):
        with pytest.raises(NotADirectoryError):
            resolve.makedirs_in_root(root, path)


def test_only_what_is_made_gets_the_owner(root: int, tmp_path: Path) -> None:
    (tmp_path / "root/old").mkdir()
    os.close(resolve.makedirs_in_root(root, "old/new/newer", 0o750, owner=(12, 34)))
    owners = [(tmp_path / "root" / name).stat().st_uid for name in ("old", "old/new", "old/new/newer")]
    assert owners == [0, 12, 12]


def test_files_are_made_also_behind_dangling_links(root: int, tmp_path: Path) -> None:
    base = tmp_path / "root"
    (base / "link").symlink_to("/target")
    assert place(resolve.make_file_in_root(root, "new/dir/file")) == str(base / "new/dir/file")
    assert place(resolve.make_file_in_root(root, "link")) == str(base / "target")


NAMES = st.sampled_from(["a", "b", "l", "m", "..", ".", ""])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(NAMES, min_size=1, max_size=6), st.lists(NAMES, min_size=1, max_size=4), st.booleans())
def test_whatever_is_made_is_below_the_root_and_found_again(
    root: int, tmp_path: Path, names: list[str], link: list[str], absolute: bool
) -> None:
    base = tmp_path / "root"
    (base / "m").unlink(missing_ok=True)
    (base / "m").symlink_to(("/" if absolute else "") + ("/".join(link) or "."))
    path = "/".join(names)
    try:
        made = place(resolve.makedirs_in_root(root, path))
    except OSError as error:
        assert error.errno == 40  # noqa: PT017 - ELOOP: the link leads to itself
        return
    assert made == str(base) or made.startswith(f"{base}/")
    assert place(resolve.open_in_root(root, path)) == made
