# SPDX-License-Identifier: Apache-2.0
"""import, tag, rmi, history, save and load: images in and out, with either command line."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.engine_process import CommandLine, EngineProcess, busybox_tar, running_engine


@pytest.fixture
def image(cli: CommandLine) -> Iterator[str]:
    """An image of this test's own."""
    yield "own:1"
    for container in cli.out("ps", "-aq").split():
        cli("rm", "-f", container)
    for found in cli.out("images", "--format", "{{.Repository}}:{{.Tag}}").split():
        if not found.startswith("busybox:"):
            cli("rmi", "-f", found, check=False)


@pytest.fixture(scope="module")
def second_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    with running_engine(tmp_path_factory.mktemp("second")) as engine:
        yield engine


def import_own(cli: CommandLine, name: str) -> str:
    flags = ["--change", "ENV COLOUR=blue", "--change", 'CMD ["sh", "-c", "echo $COLOUR"]', "-m", "a message"]
    archive = busybox_tar()
    done = cli("import", *flags, "-", name, input=archive, text=False)
    return str(done.stdout.decode().strip())  # type: ignore[attr-defined]


def test_import_runs(cli: CommandLine, image: str) -> None:
    image_id = import_own(cli, image)
    assert image_id.startswith("sha256:")
    assert cli.out("run", "--rm", image) == "blue"
    assert cli.out("inspect", "-f", "{{.Id}}", image) == image_id


def test_import_of_a_file_and_of_a_compressed_one(cli: CommandLine, image: str, tmp_path: Path) -> None:
    import gzip

    path = tmp_path / "rootfs.tar.gz"
    path.write_bytes(gzip.compress(busybox_tar(), 1))
    cli("import", str(path), image)
    assert cli.out("run", "--rm", image, "/bin/sh", "-c", "echo up") == "up"


def test_tag_names_the_same_image(cli: CommandLine, image: str) -> None:
    image_id = import_own(cli, image)
    cli("tag", image, "other/name:x")
    assert cli.out("inspect", "-f", "{{.Id}}", "other/name:x") == image_id
    assert sorted(json.loads(cli.out("inspect", "-f", "{{json .RepoTags}}", image))) == [
        "other/name:x",
        image,
    ]
    assert "nvalid reference format" in cli.fails(1, "tag", image, "UPPER:x")
    assert "No such image: nothing:1" in cli.fails(1, "tag", "nothing:1", "x:y")


def test_rmi_untags_and_deletes(cli: CommandLine, image: str) -> None:
    image_id = import_own(cli, image)
    cli("tag", image, "second:1")
    assert cli.out("rmi", "second:1") == "Untagged: second:1"
    lines = cli.out("rmi", image).splitlines()
    assert lines[:2] == [f"Untagged: {image}", f"Deleted: {image_id}"]
    assert "No such image: own:1" in cli.fails(1, "rmi", image)


def test_rmi_of_an_image_in_use(cli: CommandLine, image: str) -> None:
    import_own(cli, image)
    container = cli.out("run", "-d", image, "sleep", "60")
    error = cli.fails(1, "rmi", image)
    assert "image is being used by running container" in error or "container" in error
    assert container[:12] in error
    assert cli.out("run", "--rm", image) == "blue"


def test_rmi_by_short_id(cli: CommandLine, image: str) -> None:
    image_id = import_own(cli, image)
    assert f"Deleted: {image_id}" in cli.out("rmi", image_id.removeprefix("sha256:")[:12])


def test_history(cli: CommandLine, image: str) -> None:
    image_id = import_own(cli, image)
    lines = [
        json.loads(line) for line in cli.out("history", "--format", "json", "--no-trunc", image).splitlines()
    ]
    assert [line["ID"] for line in lines] == [image_id]
    assert lines[0]["Comment"] == "a message"
    head = cli.out("history", image).splitlines()[0]
    assert head.split() == ["IMAGE", "CREATED", "CREATED", "BY", "SIZE", "COMMENT"]


@pytest.mark.parametrize("writer", ["sampan", "docker"])
@pytest.mark.parametrize("reader", ["sampan", "docker"])
def test_save_and_load_between_engines(
    engine: EngineProcess, second_engine: EngineProcess, tmp_path: Path, writer: str, reader: str
) -> None:
    out = CommandLine(engine, writer)
    into = CommandLine(second_engine, reader)
    image_id = import_own(out, "travels:1")
    out("tag", "travels:1", "travels:2")
    path = tmp_path / "image.tar"
    out("save", "-o", str(path), "travels:1", "travels:2")
    said = into.out("load", "-i", str(path)).splitlines()
    assert sorted(said) == ["Loaded image: travels:1", "Loaded image: travels:2"]
    assert into.out("inspect", "-f", "{{.Id}}", "travels:1") == image_id
    assert into.out("run", "--rm", "travels:2") == "blue"
    for line in (out, into):
        line("rmi", "travels:1", "travels:2")


def test_save_to_and_load_from_a_pipe(cli: CommandLine, image: str) -> None:
    image_id = import_own(cli, image)
    saved = cli("save", image, text=False).stdout
    cli("rmi", image)
    said = cli("load", input=saved, text=False).stdout
    assert b"Loaded image: own:1" in said  # type: ignore[operator]
    assert cli.out("inspect", "-f", "{{.Id}}", image) == image_id


def test_a_saved_archive_is_both_formats(cli: CommandLine, image: str) -> None:
    image_id = import_own(cli, image)
    with tarfile.open(fileobj=io.BytesIO(cli("save", image, text=False).stdout)) as tar:  # type: ignore[arg-type]
        manifest = json.load(tar.extractfile("manifest.json"))  # type: ignore[arg-type]
        assert json.load(tar.extractfile("oci-layout"))["imageLayoutVersion"] == "1.0.0"  # type: ignore[arg-type]
        config = tar.extractfile(manifest[0]["Config"])
        assert config
        assert f"sha256:{hashlib.sha256(config.read()).hexdigest()}" == image_id
        assert manifest[0]["RepoTags"] == [image]


def test_saving_what_is_not_there(cli: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    assert "No such image: nothing:1" in cli.fails(1, "save", "-o", str(path), "nothing:1")


def test_load_of_a_truncated_archive(cli: CommandLine, image: str) -> None:
    import_own(cli, image)
    saved = cli("save", image, text=False).stdout
    cli("rmi", image)
    done = cli("load", input=saved[: len(saved) * 2 // 3], text=False, check=False)
    assert done.returncode == 1
    assert b"unexpected" in done.stderr.lower() or b"truncated" in done.stderr.lower()  # type: ignore[attr-defined]
    assert cli.out("images", "-q", image) == ""


def hostile(name: str, *, link: str = "") -> bytes:
    """A root filesystem that tries to write outside of itself."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        if link:
            info = tarfile.TarInfo("escape")
            info.type, info.linkname = tarfile.SYMTYPE, link
            tar.addfile(info)
        info = tarfile.TarInfo(name)
        info.size = 4
        tar.addfile(info, io.BytesIO(b"evil"))
    return out.getvalue()


def test_archives_cannot_write_outside(cli: CommandLine, image: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    ups = "../" * 12
    for archive in (
        hostile(f"{ups}{outside}/evil"),
        hostile(f"{outside}/evil"),
        hostile("escape/evil", link=str(outside)),
        hostile("escape/evil", link=f"{ups}{outside}"),
    ):
        cli("import", "-", image, input=archive, text=False, check=False)
        assert list(outside.iterdir()) == []


def test_import_of_something_else(cli: CommandLine, image: str) -> None:
    done = cli("import", "-", image, input=b"this is no tar archive" * 100, text=False, check=False)
    assert done.returncode == 1
    assert cli.out("images", "-q", image) == ""
    assert cli.fails(1, "import", "/no/such/file.tar", image)
