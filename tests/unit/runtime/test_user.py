# SPDX-License-Identifier: Apache-2.0
"""Users and groups looked up by Docker's rules, with its words where they are not found."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.errors import InvalidArgument
from sampan.runtime.user import User, parse_group, parse_passwd, resolve, resolve_user

PASSWD = parse_passwd(
    ["root:x:0:0:root:/root:/bin/sh", "www:x:33:33::/var/www:", "# remark", "odd:x:12:12", "bad:x:y:z::", ""]
)
GROUP = parse_group(["root:x:0:", "www:x:33:", "audio:x:29:www,root", "video:x:44:www", "broken"])


@pytest.mark.parametrize(
    ("text", "added", "expected"),
    [
        ("", (), User(0, 0, (0, 29), "/root")),
        ("root", (), User(0, 0, (0, 29), "/root")),
        ("www", (), User(33, 33, (33, 29, 44), "/var/www")),
        ("33", (), User(33, 33, (33, 29, 44), "/var/www")),
        ("www:audio", (), User(33, 29, (29,), "/var/www")),
        ("www:7", (), User(33, 7, (7,), "/var/www")),
        ("4711", (), User(4711, 0, (0,), "/")),
        ("4711:4712", (), User(4711, 4712, (4712,), "/")),
        (":audio", (), User(0, 29, (29,), "/root")),
        ("odd", (), User(12, 12, (12,), "/")),
        ("www:www", ("audio", "5000"), User(33, 33, (33, 29, 5000), "/var/www")),
        ("www", ("audio",), User(33, 33, (33, 29, 44), "/var/www")),
    ],
)
def test_users_are_resolved_as_docker_does(text: str, added: tuple[str, ...], expected: User) -> None:
    assert resolve(text, added, PASSWD, GROUP) == expected


@pytest.mark.parametrize(
    ("text", "added", "message"),
    [
        ("ghost", (), "unable to find user ghost: no matching entries in passwd file"),
        ("www:ghosts", (), "unable to find group ghosts: no matching entries in group file"),
        ("www", ("ghosts",), "unable to find group ghosts: no matching entries in group file"),
        ("99999999999", (), "uids and gids must be in range 0-2147483647"),
        ("bad", (), "unable to find user bad: no matching entries in passwd file"),
    ],
)
def test_what_is_not_there_is_said_in_dockers_words(text: str, added: tuple[str, ...], message: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        resolve(text, added, PASSWD, GROUP)
    assert caught.value.message == message


@given(st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1))
def test_numbers_need_no_entry(uid: int, gid: int) -> None:
    assert resolve(f"{uid}:{gid}", (), (), ()) == User(uid, gid, (gid,), "/")


@given(st.lists(st.text(), max_size=5))
def test_any_file_is_read_without_failing(lines: list[str]) -> None:
    assert all(account.uid >= 0 for account in parse_passwd(lines))
    assert all(group.gid >= 0 for group in parse_group(lines))


def test_the_images_files_are_read_inside_its_root_and_a_pipe_does_not_block(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "real").write_text("bob:x:5:6::/b:\n")
    (tmp_path / "etc/passwd").symlink_to("/real")
    os.mkfifo(tmp_path / "etc/group")
    root = os.open(tmp_path, os.O_PATH)
    try:
        assert resolve_user(root, "bob") == User(5, 6, (6,), "/b")
    finally:
        os.close(root)
