# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from sampan.client.copying import Place, plan_copy, resolve_link, split_argument, split_path
from sampan.errors import InvalidArgument, NotFound
from scripted_engine import ScriptedEngine, answer, chunked

DIRECTORY, SYMLINK = 1 << 31, 1 << 27


def _file(path: str) -> Place:
    return Place(path, exists=True)


def _folder(path: str) -> Place:
    return Place(path, exists=True, is_directory=True)


def _nothing(path: str) -> Place:
    return Place(path, exists=False)


@pytest.mark.parametrize(
    ("source", "destination", "folder", "name"),
    [
        (_file("/a/f"), _nothing("/b/g"), "/b", "g"),
        (_file("/a/f"), _file("/b/g"), "/b", "g"),
        (_file("/a/f"), _folder("/b"), "/b", "f"),
        (_file("f"), _nothing("g"), ".", "g"),
        (_folder("/a/d"), _nothing("/b/e"), "/b", "e"),
        (_folder("/a/d"), _nothing("/b/e/"), "/b", "e"),
        (_folder("/a/d/."), _nothing("/b/e"), "/b", "e"),
        (_folder("/a/d"), _folder("/b"), "/b", "d"),
        (_folder("/a/d/"), _folder("/b/"), "/b/", "d"),
        (_folder("/a/d/."), _folder("/b"), "/b", ""),
        (_folder("."), _folder("/b"), "/b", ""),
        (_folder("/"), _folder("/b"), "/b", ""),
    ],
)
def test_the_rules_of_cp(source: Place, destination: Place, folder: str, name: str) -> None:
    copy = plan_copy(source, destination)
    assert (copy.folder, copy.name) == (folder, name)


def test_a_file_does_not_become_a_folder_that_is_not_there() -> None:
    with pytest.raises(NotFound, match="no such directory: /b/"):
        plan_copy(_file("/f"), _nothing("/b/"))


def test_a_folder_does_not_replace_a_file() -> None:
    with pytest.raises(InvalidArgument, match="cannot copy directory to a file: /b"):
        plan_copy(_folder("/d"), _file("/b"))


@pytest.mark.parametrize(
    ("argument", "parts"),
    [
        ("web:/a", ("web", "/a")),
        ("web:a:b", ("web", "a:b")),
        ("/a:b", ("", "/a:b")),
        ("./a:b", ("", "./a:b")),
        ("a", ("", "a")),
        ("-", ("", "-")),
    ],
)
def test_a_container_stands_before_the_first_colon(argument: str, parts: tuple[str, str]) -> None:
    assert split_argument(argument) == parts


def test_paths_are_split_whatever_they_end_with() -> None:
    assert [split_path(path) for path in ("/a/b", "/a/b/", "/a/b/.", "/a/b/./", "a", "/a", "/")] == [
        *[("/a", "b")] * 4,
        (".", "a"),
        ("/", "a"),
        ("/", ""),
    ]
    assert resolve_link("/a/l", "../x") == "/a/../x"
    assert resolve_link("/a/l", "/x") == "/x"


def _stat(mode: int = 0o644, link: str = "") -> bytes:
    stat = json.dumps({"name": "n", "size": 1, "mode": mode, "mtime": "", "linkTarget": link})
    field = base64.b64encode(stat.encode()).decode()
    return answer(200, fields={"X-Docker-Container-Path-Stat": field})


def _tar(**members: bytes | None) -> bytes:
    """Files by name, folders where the content is None; ``__`` stands for a slash."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name.replace("__", "/"))
            info.type = tarfile.DIRTYPE if data is None else tarfile.REGTYPE
            info.mode = 0o755 if data is None else 0o640
            info.size = len(data or b"")
            archive.addfile(info, io.BytesIO(data or b""))
    return out.getvalue()


def _members(body: bytes) -> dict[str, bytes | None]:
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        return {
            member.name: (file.read() if (file := archive.extractfile(member)) else None)
            for member in archive.getmembers()
        }


def test_a_folder_is_sent_under_its_name(sampan, scripted: ScriptedEngine, tmp_path: Path) -> None:
    (tmp_path / "site" / "sub").mkdir(parents=True)
    (tmp_path / "site" / "sub" / "page").write_bytes(b"hello")
    scripted.on("HEAD /containers/web/archive", _stat(DIRECTORY | 0o755))
    scripted.on("PUT /containers/web/archive", answer())
    assert sampan("cp", str(tmp_path / "site"), "web:/srv") == (0, "", "")
    sent = scripted.asked[-1]
    assert sent.query == {"path": ["/srv"], "noOverwriteDirNonDir": ["true"]}
    assert _members(sent.body) == {"site": None, "site/sub": None, "site/sub/page": b"hello"}


def test_a_file_is_sent_under_a_new_name(sampan, scripted: ScriptedEngine, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    scripted.on("GET /containers/web/json", json={"Id": "web"})
    scripted.on("PUT /containers/web/archive", answer())
    assert sampan("cp", "-a", str(tmp_path / "a"), "web:/srv/b").status == 0
    assert scripted.asked[-1].query["path"] == ["/srv"]
    assert scripted.asked[-1].query["copyUIDGID"] == ["1"]
    assert _members(scripted.asked[-1].body) == {"b": b"1"}


def test_a_destination_that_is_a_link_is_followed(sampan, scripted: ScriptedEngine, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    scripted.on("HEAD /containers/web/archive", _stat(SYMLINK, "/real"), _stat(DIRECTORY))
    scripted.on("PUT /containers/web/archive", answer())
    assert sampan("cp", str(tmp_path / "a"), "web:/link").status == 0
    assert scripted.asked[-1].query["path"] == ["/real"]


def test_a_folder_comes_out_under_a_new_name(sampan, scripted: ScriptedEngine, tmp_path: Path) -> None:
    scripted.on("HEAD /containers/web/archive", _stat(DIRECTORY | 0o755))
    scripted.on("GET /containers/web/archive", chunked(_tar(site=None, site__page=b"hello")))
    assert sampan("cp", "web:/srv/site", str(tmp_path / "copy")) == (0, "", "")
    assert (tmp_path / "copy" / "page").read_bytes() == b"hello"
    assert (tmp_path / "copy" / "page").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "copy" / "page").stat().st_uid == os.geteuid()


def test_the_content_of_a_folder_comes_out(sampan, scripted: ScriptedEngine, tmp_path: Path) -> None:
    scripted.on("HEAD /containers/web/archive", _stat(DIRECTORY | 0o755))
    scripted.on("GET /containers/web/archive", chunked(_tar(site=None, site__page=b"hello")))
    assert sampan("cp", "web:/srv/site/.", str(tmp_path)).status == 0
    assert (tmp_path / "page").read_bytes() == b"hello"


def test_nothing_of_a_hostile_archive_lands_outside(sampan, scripted: ScriptedEngine, tmp_path: Path) -> None:
    target = tmp_path / "in" / "side"
    target.mkdir(parents=True)
    scripted.on("HEAD /containers/web/archive", _stat(DIRECTORY | 0o755))
    scripted.on(
        "GET /containers/web/archive", chunked(_tar(**{"site": None, "site__..__..__..__evil": b"x"}))
    )
    sampan("cp", "web:/site", str(target))
    assert [path.name for path in tmp_path.rglob("evil") if target not in path.parents] == []


def test_an_archive_goes_to_stdout_as_it_is(sampan, scripted: ScriptedEngine) -> None:
    scripted.on("HEAD /containers/web/archive", _stat())
    scripted.on("GET /containers/web/archive", chunked(b"tar", b"ball"))
    assert sampan("cp", "web:/f", "-").out == "tarball"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("a:/x", "b:/y"), "copying between containers is not supported"),
        (("/x", "/y"), "must specify at least one container source"),
    ],
)
def test_one_end_is_in_a_container(sampan, words: tuple[str, str], complaint: str) -> None:
    assert sampan("cp", *words) == (1, "", f"sampan: {complaint}\n")


def test_what_is_not_there_is_said(sampan, scripted: ScriptedEngine, tmp_path: Path) -> None:
    scripted.on("GET /containers/web/json", json={"Id": "web"})
    said = sampan("cp", "web:/nope", str(tmp_path))
    assert (said.status, said.err) == (1, "sampan: Could not find the file /nope in container web\n")
    assert "no such file or directory" in sampan("cp", "/nonexistent", "web:/").err
    scripted.on("GET /containers/gone/json", json={"message": "No such container: gone"}, status=404)
    assert sampan("cp", "gone:/x", "-").err == "sampan: No such container: gone\n"
