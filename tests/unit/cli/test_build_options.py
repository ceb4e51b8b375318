# SPDX-License-Identifier: Apache-2.0
"""The flags of `build`, the context, and the archive that stands in for it."""

from __future__ import annotations

import io
import json
import os
import socket
import tarfile
from base64 import b64decode
from pathlib import Path

import pytest

from sampan.cli.build_archive import iter_context
from sampan.cli.build_context import FolderContext, is_archive, open_context
from sampan.cli.build_options import FLAGS, plan_agents, plan_arguments, plan_query, plan_secrets
from sampan.cli.build_output import parse_output, plan_outputs
from sampan.cli.commands.build import choose_progress
from sampan.cli.flags import parse_flags
from sampan.client.contexts import SECRETS_FIELD, locate_dockerfile
from sampan.client.query import format_query
from sampan.errors import InvalidArgument, NotFound, SampanError, Unsupported


def query(*words: str, environ: dict[str, str] | None = None) -> dict[str, object]:
    options, _ = parse_flags(FLAGS, words)
    return dict(plan_query(options, environ or {}))


def test_flags_become_dockers_parameters() -> None:
    made = query(
        *("-t", "a", "-t", "b:1", "--target", "x", "--no-cache", "--pull", "--network", "host"),
        *("--build-arg", "A=1", "--build-arg", "B", "--build-arg", "C", "--label", "k=v"),
        *("--shm-size", "64m", "--add-host", "db=1.2.3.4", "--platform", "linux/amd64", "--host-ca"),
        environ={"B": "two"},
    )
    assert made["t"] == ["a", "b:1"]
    assert (made["target"], made["nocache"], made["pull"], made["networkmode"]) == ("x", True, True, "host")
    assert json.loads(str(made["buildargs"])) == {"A": "1", "B": "two"}
    assert json.loads(str(made["labels"])) == {"k": "v"}
    assert (made["shmsize"], made["extrahosts"], made["platform"]) == (
        64 << 20,
        ["db:1.2.3.4"],
        "linux/amd64",
    )
    assert (made["sampan.progress"], made["sampan.host-ca"]) == (True, "1")


def test_another_builder_and_unknown_entitlements_are_refused() -> None:
    assert query("--builder", "default", "--allow", "network.host", "-D") == query()
    with pytest.raises(NotFound, match='no builder "mine" found'):
        query("--builder", "mine")
    with pytest.raises(InvalidArgument, match="invalid entitlement: everything"):
        query("--allow", "everything")


def test_a_bare_build_says_little() -> None:
    assert format_query(query()) == "?sampan.progress=1&networkmode=default&rm=1"  # type: ignore[arg-type]


def test_the_clients_proxies_go_along_but_flags_win() -> None:
    environ = {"HTTP_PROXY": "http://p", "no_proxy": "x", "PATH": "/bin"}
    assert plan_arguments([], environ) == {"HTTP_PROXY": "http://p", "no_proxy": "x"}
    assert plan_arguments(["HTTP_PROXY=mine"], environ)["HTTP_PROXY"] == "mine"


@pytest.mark.parametrize(
    "words",
    [
        ("--build-context", "x=https://example.com"),
        ("--build-context", "x=oci-layout://y"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(words: tuple[str, ...]) -> None:
    with pytest.raises(Unsupported, match=words[0]):
        query(*words)


@pytest.mark.parametrize(
    "words", [("--load",), ("-o", "type=docker"), ("--call", "build"), ("--sbom=false",)]
)
def test_what_changes_nothing_is_accepted(words: tuple[str, ...]) -> None:
    query(*words)


def test_named_contexts_are_images_or_whole_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dir").mkdir()
    monkeypatch.chdir(tmp_path)
    made = query("--build-context", "base=docker-image://busybox:1", "--build-context", "files=dir")
    assert made["sampan.named-context"] == ["base=docker-image://busybox:1", f"files={tmp_path}/dir"]
    with pytest.raises(InvalidArgument, match="is not a folder"):
        query("--build-context", "x=nope")


def test_secrets_come_from_files_and_variables(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"\x00\xff")
    header = plan_secrets(
        [f"id=a,src={tmp_path}/key", "id=b,env=TOKEN", "id=TOKEN", "type=env,id=c,src=TOKEN"], {"TOKEN": "t"}
    )
    decoded = json.loads(b64decode(header[SECRETS_FIELD]))
    values = {name: b64decode(value) for name, value in decoded.items()}
    assert values == {"a": b"\x00\xff", "b": b"t", "TOKEN": b"t", "c": b"t"}
    assert plan_secrets([], {}) == {}


@pytest.mark.parametrize("word", ["id=a,src=/nope", "id=a,env=NOPE", "foo", "id=a,x=y", "type=ssh,id=a", ""])
def test_bad_secrets_are_refused(word: str) -> None:
    with pytest.raises(InvalidArgument):
        plan_secrets([word], {})


def test_progress_fits_where_it_goes() -> None:
    assert choose_progress("", quiet=False, terminal=True) == "tty"
    assert choose_progress("auto", quiet=False, terminal=False) == "plain"
    assert choose_progress("plain", quiet=True, terminal=True) == "quiet"
    with pytest.raises(InvalidArgument, match="invalid progress type x"):
        choose_progress("x", quiet=False, terminal=True)


def test_the_dockerfile_is_found_inside_and_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "app"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "My.Dockerfile").touch()
    (tmp_path / "Out").touch()
    monkeypatch.chdir(tmp_path)
    assert locate_dockerfile(str(folder), "") == "Dockerfile"
    assert locate_dockerfile(str(folder), "app/sub/My.Dockerfile") == "sub/My.Dockerfile"
    assert locate_dockerfile(str(folder), "Out") == f"{tmp_path}/Out"
    (folder / "dockerfile").touch()
    assert locate_dockerfile(str(folder), "") == "dockerfile"
    with pytest.raises(InvalidArgument, match="failed to read dockerfile: open Nope: no such file"):
        locate_dockerfile(str(folder), "Nope")


def test_a_folder_is_named_by_path_and_inode(tmp_path: Path) -> None:
    context = open_context(str(tmp_path), "")
    assert isinstance(context, FolderContext)
    status = os.stat(tmp_path)
    assert context.place() == {
        "sampan.context": str(tmp_path),
        "sampan.context-id": f"{status.st_dev}:{status.st_ino}",
        "dockerfile": "Dockerfile",
    }


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("/nope", 'path "/nope" not found'),
        ("/etc/passwd", "must be a dir"),
    ],
)
def test_bad_contexts_are_refused(place: str, message: str) -> None:
    with pytest.raises(SampanError, match=message):
        open_context(place, "")


def test_a_url_is_named_to_the_engine() -> None:
    query, body = open_context("https://host/app.git#main:web", "docker/Dockerfile").archive()
    assert query == {"remote": "https://host/app.git#main:web", "dockerfile": "docker/Dockerfile"}
    assert list(body) == []


def test_archives_are_told_from_dockerfiles() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("x"))
    assert is_archive(out.getvalue()[:512])
    assert is_archive(b"\x1f\x8b\x08")
    assert not is_archive(b"FROM busybox\n" * 100)


def test_the_archive_leaves_out_what_is_ignored_but_keeps_the_dockerfile(tmp_path: Path) -> None:
    for name, content in {
        ".dockerignore": "*\n!keep\n!deep/in\n",
        "Dockerfile": "FROM x",
        "keep/a": "1",
        "drop/b": "2",
        "deep/in/c": "3",
        "deep/out": "4",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    (tmp_path / "keep" / "link").symlink_to("a")
    data = b"".join(iter_context(str(tmp_path), dockerfile="Dockerfile", extra={"extra": b"e"}))
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        members = {member.name: member for member in archive.getmembers()}
        assert set(members) == {
            *(".dockerignore", "Dockerfile", "keep", "keep/a", "keep/link", "deep/in", "deep/in/c", "extra"),
        }
        assert members["keep/link"].linkname == "a"
        file = archive.extractfile("deep/in/c")
        assert file is not None
        assert file.read() == b"3"
    assert data == b"".join(iter_context(str(tmp_path), dockerfile="Dockerfile", extra={"extra": b"e"}))


@pytest.mark.parametrize(
    ("word", "kind", "place", "folder"),
    [
        ("out", "local", "out", "files"),
        ("-", "tar", "-", ""),
        ("type=local,dest=a b", "local", "a b", "files"),
        ("type=tar,dest=x.tar", "tar", "x.tar", ""),
        ("type=tar", "tar", "-", ""),
        ("type=oci,dest=x", "oci", "x", ""),
        ("type=oci,tar=false,dest=x", "oci", "x", "layout"),
        ("type=docker,dest=x", "docker", "x", ""),
        ("type=docker", "image", "", ""),
        ("type=image,name=a", "image", "", ""),
        ("type=registry,name=a", "registry", "", ""),
    ],
)
def test_outputs(word: str, kind: str, place: str, folder: str) -> None:
    output = parse_output(word)
    assert (output.kind, output.place, output.folder) == (kind, place, folder)


@pytest.mark.parametrize("word", ["type=local", "x=y", "type=image,dest=x", "type=oci,tar=maybe,dest=x"])
def test_nonsense_about_outputs_is_refused(word: str) -> None:
    with pytest.raises(InvalidArgument):
        parse_output(word)


def told(*words: str, **more: object) -> list[tuple[str, dict[str, str]]]:
    return [(output.kind, output.attrs) for output in plan_outputs(words, **more)]  # type: ignore[arg-type]


def test_push_and_load_are_outputs() -> None:
    assert told() == []
    assert told(push=True) == [("image", {"push": "true"})]
    assert told("type=image,compression=zstd", push=True) == [
        ("image", {"compression": "zstd", "push": "true"})
    ]
    assert told("type=oci,dest=x", push=True) == [("oci", {}), ("image", {"push": "true"})]
    assert told("out", load=True) == [("local", {}), ("image", {})]
    assert told("type=docker", load=True) == [("image", {})]


def test_annotations_go_with_every_image() -> None:
    words = ["a=1", "index:b=x:y=z", "manifest,manifest-descriptor[linux/arm64]:org.x=2"]
    attributes = {
        "annotation-manifest.a": "1",
        "annotation-index.b": "x:y=z",
        "annotation-manifest[linux/arm64].org.x": "2",
        "annotation-manifest-descriptor[linux/arm64].org.x": "2",
    }
    assert told(annotations=words) == [("image", attributes)]
    assert told("out", "type=oci,dest=x", annotations=words) == [("local", {}), ("oci", attributes)]
    for word in ("a", "=1", "nothing:a=1"):
        with pytest.raises(InvalidArgument):
            plan_outputs([], annotations=[word])


def test_several_platforms_and_outputs_are_one_request() -> None:
    made = query("--platform", "linux/amd64,linux/arm64", "--platform", "linux/riscv64", "-o", "a", "-o", "-")
    assert made["platform"] == "linux/amd64,linux/arm64,linux/riscv64"
    assert json.loads(str(made["sampan.output"])) == [
        {"type": "local", "attrs": {}},
        {"type": "tar", "attrs": {}},
    ]


def test_an_agent_is_a_socket_that_is_there(tmp_path: Path) -> None:
    path = str(tmp_path / "agent")
    with pytest.raises(InvalidArgument, match="there is no agent"):
        plan_agents(["default"], {})
    with pytest.raises(InvalidArgument, match="No such file"):
        plan_agents([f"default={path}"], {})
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(path)
        assert plan_agents(["default", f"other={path}"], {"SSH_AUTH_SOCK": path}) == [
            f"default={path}",
            f"other={path}",
        ]
    with pytest.raises(Unsupported, match="no agent's socket"):
        plan_agents([f"default={tmp_path}"], {})
