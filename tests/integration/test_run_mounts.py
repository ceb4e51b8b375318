# SPDX-License-Identifier: Apache-2.0
"""`run -v` and `--mount`: folders of the host, volumes with a name and without, tmpfs."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.engine_process import CommandLine, busybox_tar


@pytest.fixture
def volume(cli: CommandLine) -> Iterator[str]:
    yield "cargo"
    for container in cli.out("ps", "-aq").split():
        cli("rm", "-f", container)
    cli("volume", "rm", "-f", "cargo")


def test_bind_both_ways(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("from the host\n")
    script = "cat /data/in; echo from inside >/data/out"
    assert cli.out("run", "--rm", "-v", f"{tmp_path}:/data", "busybox", "sh", "-c", script) == "from the host"
    assert (tmp_path / "out").read_text() == "from inside\n"


def test_bind_read_only(cli: CommandLine, tmp_path: Path) -> None:
    for flags in (["-v", f"{tmp_path}:/d:ro"], ["--mount", f"type=bind,src={tmp_path},dst=/d,readonly"]):
        done = cli("run", "--rm", *flags, "busybox", "touch", "/d/x", check=False)
        assert done.returncode == 1
        assert "Read-only file system" in done.stderr
    assert os.listdir(tmp_path) == []


def test_a_single_file(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "one").write_text("1\n")
    assert cli.out("run", "--rm", "-v", f"{tmp_path}/one:/etc/one", "busybox", "cat", "/etc/one") == "1"


def test_v_makes_a_missing_folder_and_mount_does_not(cli: CommandLine, tmp_path: Path) -> None:
    cli("run", "--rm", "-v", f"{tmp_path}/made:/d", "busybox", "touch", "/d/x")
    assert (tmp_path / "made/x").exists()
    error = cli.fails(125, "run", "--rm", "--mount", f"type=bind,src={tmp_path}/no,dst=/d", "busybox", "true")
    assert f"bind source path does not exist: {tmp_path}/no" in error
    assert not (tmp_path / "no").exists()


def test_mount_says_what_is_wrong(cli: CommandLine) -> None:
    for argument in ("type=bind,src=/tmp", "type=strange,dst=/d", "type=volume,dst=relative"):
        assert cli("run", "--rm", "--mount", argument, "busybox", "true", check=False).returncode == 125


def test_a_named_volume_lives_on(cli: CommandLine, volume: str) -> None:
    cli("run", "--rm", "-v", f"{volume}:/data", "busybox", "sh", "-c", "echo kept >/data/file")
    flags = ["--mount", f"type=volume,src={volume},dst=/elsewhere,readonly"]
    assert cli.out("run", "--rm", *flags, "busybox", "cat", "/elsewhere/file") == "kept"
    assert volume in cli.out("volume", "ls", "-q").split()


def test_a_new_volume_is_filled_from_the_image(cli: CommandLine, volume: str) -> None:
    assert "passwd" in cli.out("run", "--rm", "-v", f"{volume}:/etc", "busybox", "ls", "/etc").split()
    cli("run", "--rm", "-v", f"{volume}:/etc", "busybox", "rm", "/etc/passwd")
    again = cli.out("run", "--rm", "-v", f"{volume}:/etc", "busybox", "ls", "/etc").split()
    assert "passwd" not in again
    assert "group" in again


def test_nocopy_leaves_it_empty(cli: CommandLine, volume: str) -> None:
    flags = ["--mount", f"type=volume,src={volume},dst=/home,volume-nocopy"]
    assert cli.out("run", "--rm", *flags, "busybox", "ls", "/home") == ""


def test_an_anonymous_volume_keeps_owner_and_mode(cli: CommandLine) -> None:
    assert cli.out("run", "--rm", "-v", "/tmp", "busybox", "stat", "-c", "%a %u", "/tmp") == "1777 0"


def test_a_volume_in_use_is_not_removed(cli: CommandLine, volume: str) -> None:
    container = cli.out("run", "-d", "-v", f"{volume}:/d", "busybox", "sleep", "60")
    error = cli.fails(1, "volume", "rm", volume)
    assert f"remove {volume}: volume is in use - [{container}]" in error


def test_rm_v_takes_anonymous_volumes_only(cli: CommandLine, volume: str) -> None:
    container = cli.out("run", "-d", "-v", f"{volume}:/a", "-v", "/b", "busybox", "true")
    cli("wait", container)
    mounts = json.loads(cli.out("inspect", "-f", "{{json .Mounts}}", container))
    anonymous = next(m["Name"] for m in mounts if m["Destination"] == "/b")
    cli("rm", "-v", container)
    names = cli.out("volume", "ls", "-q").split()
    assert volume in names
    assert anonymous not in names


def test_mounts_in_inspect(cli: CommandLine, volume: str, tmp_path: Path) -> None:
    container = cli.out("create", "-v", f"{volume}:/a", "-v", f"{tmp_path}:/b:ro", "busybox")
    mounts = {
        m["Destination"]: m for m in json.loads(cli.out("inspect", "-f", "{{json .Mounts}}", container))
    }
    assert (mounts["/a"]["Type"], mounts["/a"]["Name"], mounts["/a"]["RW"]) == ("volume", volume, True)
    assert (mounts["/b"]["Type"], mounts["/b"]["Source"], mounts["/b"]["RW"]) == (
        "bind",
        str(tmp_path),
        False,
    )


def test_tmpfs_by_mount(cli: CommandLine) -> None:
    flags = ["--mount", "type=tmpfs,dst=/t,tmpfs-size=65536,tmpfs-mode=0700"]
    out = cli.out("run", "--rm", *flags, "busybox", "sh", "-c", "grep ' /t ' /proc/mounts; stat -c %a /t")
    assert "size=64k" in out
    assert out.endswith("700")


def test_volumes_from(cli: CommandLine, volume: str) -> None:
    first = cli.out(
        "run", "-d", "-v", f"{volume}:/shared", "busybox", "sh", "-c", "echo x >/shared/f; sleep 60"
    )
    assert (
        cli.out("run", "--rm", "--volumes-from", first, "busybox", "sh", "-c", "sleep 0.1; cat /shared/f")
        == "x"
    )


def test_a_link_in_the_image_does_not_lead_a_mount_outside(cli: CommandLine, tmp_path: Path) -> None:
    """CVE-2019-19921 and its like: the target is resolved inside the container's root."""
    image = io.BytesIO()
    with tarfile.open(fileobj=image, mode="w:gz") as tar:
        with tarfile.open(fileobj=io.BytesIO(busybox_tar())) as base:
            for member in base:
                tar.addfile(member, base.extractfile(member) if member.isreg() else None)
        link = tarfile.TarInfo("trap")
        link.type, link.linkname = tarfile.SYMTYPE, f"../../../../../{tmp_path}/outside"
        tar.addfile(link)
    cli("import", "-", "trap:1", input=image.getvalue(), text=False)
    (tmp_path / "shared").mkdir()
    script = f"touch /trap/x/file {tmp_path}/outside/x/other"
    cli("run", "--rm", "-v", f"{tmp_path}/shared:/trap/x", "trap:1", "/bin/sh", "-c", script)
    assert sorted(os.listdir(tmp_path / "shared")) == ["file", "other"]
    assert not (tmp_path / "outside").exists()
    cli("rmi", "trap:1")
