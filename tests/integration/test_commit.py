# SPDX-License-Identifier: Apache-2.0
"""`commit`: a container as an image."""

from __future__ import annotations

import json
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.engine_process import CommandLine, wait_until


@pytest.fixture
def image(cli: CommandLine) -> Iterator[str]:
    """A name for an image; nobody has it afterwards."""
    yield "committed:one"
    for container in cli.out("ps", "-aq").split():
        cli("rm", "-f", container)
    cli("rmi", "-f", "committed:one", check=False)


def test_what_a_container_wrote_is_in_its_image(cli: CommandLine, image: str) -> None:
    script = "mkdir /made; echo here >/made/file; ln /made/file /made/link; rm /etc/group; rm -r /home; mkdir /home"
    container = cli.out("run", "-d", "busybox", "sh", "-c", script)
    cli("wait", container)
    committed = cli.out("commit", container, image)
    assert committed.startswith("sha256:")
    assert cli.out("inspect", "-f", "{{.Id}}", image) == committed
    look = "cat /made/link; stat -c %h /made/file; ls /home; ls /etc/group 2>&1 | grep -c 'No such'"
    assert cli.out("run", "--rm", image, "sh", "-c", look).split() == ["here", "2", "1"]


def test_the_container_goes_on_and_the_image_stays_the_same(cli: CommandLine, image: str) -> None:
    wait = "touch /ready; while [ ! -e /go ]; do usleep 10000; done"
    script = f"echo first >/log; {wait}; echo second >>/log; touch /done; sleep 600"
    container = cli.out("run", "-d", "busybox", "sh", "-c", script)
    wait_until(
        lambda: not cli("exec", container, "test", "-e", "/ready", check=False).returncode, "it is ready"
    )
    cli("commit", container, image)
    assert cli.out("inspect", "-f", "{{.State.Status}}", container) == "running"
    cli("exec", container, "touch", "/go")
    wait_until(
        lambda: not cli("exec", container, "test", "-e", "/done", check=False).returncode, "it went on"
    )
    assert cli.out("run", "--rm", image, "cat", "/log") == "first"
    cli("rm", "-f", container)
    assert cli.out("run", "--rm", image, "cat", "/log") == "first"


def test_the_configuration_is_the_containers_with_changes(cli: CommandLine, image: str) -> None:
    container = cli.out("create", "-e", "A=1", "-w", "/tmp", "-l", "who=me", "busybox", "echo", "hello")
    changes = ["-c", "ENV B=2", "-c", 'CMD ["sh", "-c", "echo $A $B $PWD"]', "-c", "EXPOSE 80"]
    cli("commit", "-a", "Ann <ann@example.org>", "-m", "for later", *changes, container, image)
    assert cli.out("run", "--rm", image) == "1 2 /tmp"
    (found,) = json.loads(cli.out("image", "inspect", image))
    assert (found["Author"], found["Comment"]) == ("Ann <ann@example.org>", "for later")
    assert found["Config"]["Labels"] == {"who": "me"}
    assert found["Config"]["ExposedPorts"] == {"80/tcp": {}}
    assert "for later" in cli.out("history", image)


def test_an_image_without_a_name(cli: CommandLine) -> None:
    container = cli.out("create", "busybox", "true")
    committed = cli.out("commit", container)
    assert committed.removeprefix("sha256:")[:12] in cli.out("images", "-q", "-f", "dangling=true")
    cli("rmi", committed)


def test_mount_points_of_the_engine_are_not_in_the_image(
    cli: CommandLine, image: str, tmp_path: Path
) -> None:
    container = cli.out("run", "-d", "busybox", "sh", "-c", "echo x >/x")
    cli("wait", container)
    cli("commit", container, image)
    unused = cli.out("create", image)
    cli("export", "-o", f"{tmp_path}/all.tar", unused)
    with tarfile.open(tmp_path / "all.tar") as archive:
        names = set(archive.getnames())
    assert "x" in names
    assert not names & {"etc/hosts", "etc/hostname", "etc/resolv.conf"}


def test_what_cannot_be_committed(cli: CommandLine) -> None:
    container = cli.out("create", "busybox")
    assert "RUN is not a valid change command" in cli.fails(1, "commit", "-c", "RUN true", container)
    assert "must be lowercase" in cli.fails(1, "commit", container, "UPPER:x")
    assert "No such container: nobody" in cli.fails(1, "commit", "nobody")


def test_a_commit_pauses_unless_told_not_to(cli: CommandLine) -> None:
    container = cli.out("run", "-d", "busybox", "sleep", "600")
    no_pause = ["--no-pause"] if cli.name == "sampan" else ["--pause=false"]
    for flags in ([], no_pause):
        cli("rmi", cli.out("commit", *flags, container))
    flags = ["--since", "5m", "--until", f"{time.time():.6f}", "-f", f"container={container}"]
    actions = cli.out("events", *flags, "--format", "{{.Action}}")
    assert actions.split()[-4:] == ["pause", "unpause", "commit", "commit"]
