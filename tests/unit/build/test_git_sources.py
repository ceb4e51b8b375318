# SPDX-License-Identifier: Apache-2.0
"""Which texts name git repositories, and a checkout from one that a test serves."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from git_server import run, serving_repository
from sampan.build.git import GitCache, GitSource, is_git_url, parse_git_url
from sampan.errors import Cancelled, DataCorrupt, InvalidArgument, NotFound, Unavailable


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("https://host/me/app.git", GitSource("https://host/me/app.git")),
        ("https://host/me/app.git#main", GitSource("https://host/me/app.git", "main")),
        ("https://host/me/app.git#v1:docker/web", GitSource("https://host/me/app.git", "v1", "docker/web")),
        ("https://host/me/app.git#:docker", GitSource("https://host/me/app.git", "", "docker")),
        ("git://host/app#feature/x", GitSource("git://host/app", "feature/x")),
        ("ssh://git@host:2222/app.git", GitSource("ssh://git@host:2222/app.git")),
        ("git@host:me/app.git#main:src", GitSource("git@host:me/app.git", "main", "src")),
        ("github.com/me/app", GitSource("https://github.com/me/app")),
        (
            "https://host/app.git?branch=main&subdir=a/b",
            GitSource("https://host/app.git", "refs/heads/main", "a/b"),
        ),
        ("https://host/app.git?tag=v1", GitSource("https://host/app.git", "refs/tags/v1")),
        ("https://host/app.git?checksum=abc", GitSource("https://host/app.git", commit="abc")),
        ("https://host/a.git?keep-git-dir=1", GitSource("https://host/a.git", keep_git_dir=True)),
        ("https://host/a.git?submodules=0", GitSource("https://host/a.git", submodules=False)),
    ],
)
def test_repositories_are_read(text: str, source: GitSource) -> None:
    assert parse_git_url(text) == source


@pytest.mark.parametrize(
    "text", ["https://host/app.tar.gz", "app.git", "./git@x", "http://host/", "ftp://host/app.git", "a:b", ""]
)
def test_other_sources_are_none(text: str) -> None:
    assert not is_git_url(text)


@pytest.mark.parametrize(
    "text",
    [
        "https://host/app.git#main:../..",
        "https://host/app.git?subdir=a/../../b",
        "https://host/app.git?colour=blue",
    ],
)
def test_what_leaves_the_repository_or_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="git source"):
        parse_git_url(text)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    with serving_repository(tmp_path) as server:
        yield server


def check_out(
    tmp_path: Path, text: str, name: str = "out", is_stopped: Callable[[], bool] = lambda: False
) -> tuple[Path, str]:
    source = parse_git_url(text)
    assert source is not None
    folder = tmp_path / name
    folder.mkdir()
    cache = GitCache(str(tmp_path / "cache"))
    commit = cache.check_out(source, str(folder), env={}, is_stopped=is_stopped, say=lambda _: None)
    return folder, commit


def test_a_branch_a_tag_and_a_commit_are_checked_out(served: tuple[str, Path], tmp_path: Path) -> None:
    url, repository = served
    newest, first = run(repository, "rev-parse", "main"), run(repository, "rev-parse", "v1^{commit}")
    folder, commit = check_out(tmp_path, url, "a")
    assert ((folder / "web" / "page").read_text(), commit) == ("two\n", newest)
    assert not (folder / ".git").exists()
    folder, commit = check_out(tmp_path, f"{url}#v1", "b")
    assert ((folder / "web" / "page").read_text(), commit) == ("one\n", first)
    folder, commit = check_out(tmp_path, f"{url}?ref={first}&keep-git-dir=1", "c")
    assert commit == first
    assert run(folder, "rev-parse", "HEAD") == first


def test_a_commit_that_is_here_is_not_fetched_again(served: tuple[str, Path], tmp_path: Path) -> None:
    url, repository = served
    commit = run(repository, "rev-parse", "main")
    check_out(tmp_path, f"{url}#{commit}", "a")
    (repository / ".git" / "HEAD").unlink()  # nobody can fetch from it now
    assert check_out(tmp_path, f"{url}#{commit}", "b")[1] == commit


def test_another_commit_than_the_expected_one_is_refused(served: tuple[str, Path], tmp_path: Path) -> None:
    url, repository = served
    first = run(repository, "rev-parse", "v1^{commit}")
    with pytest.raises(DataCorrupt, match="expected checksum"):
        check_out(tmp_path, f"{url}?branch=main&checksum={first}")


def test_what_is_not_there_is_named(served: tuple[str, Path], tmp_path: Path) -> None:
    url, _ = served
    with pytest.raises(NotFound, match="repository does not contain ref nothing"):
        check_out(tmp_path, f"{url}#nothing", "a")
    with pytest.raises(Unavailable, match="git ls-remote"):
        check_out(tmp_path, url.replace("app.git", "other.git"), "b")


def test_a_stopped_build_stops_git(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"git://127.0.0.1:{silent.getsockname()[1]}/app.git"
        answers = iter([False, True])
        with pytest.raises(Cancelled):
            check_out(tmp_path, url, is_stopped=lambda: next(answers, True))


def test_the_repository_s_hooks_and_options_do_nothing(served: tuple[str, Path], tmp_path: Path) -> None:
    url, repository = served
    hook = repository / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    check_out(tmp_path, url)
    assert not (tmp_path / "ran").exists()
    with pytest.raises(InvalidArgument, match="is not a name"):
        check_out(tmp_path, f"{url}#--upload-pack=touch", "b")
