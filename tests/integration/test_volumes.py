# SPDX-License-Identifier: Apache-2.0
"""Volumes and binds on a real engine: what is filled, shared, mapped, removed, and left alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.engine_process import CommandLine, EngineProcess, wait_until

FILLED = """\
FROM busybox
RUN mkdir -p /data/sub && echo hello > /data/sub/file && chown -R 1000:1000 /data && chmod 750 /data
VOLUME /data
"""


@pytest.fixture
def volumes(engine: EngineProcess) -> Iterator[EngineProcess]:
    """The session's engine; volumes that a test leaves are removed."""
    yield engine
    engine.remove_everything()
    engine.out("volume", "prune", "-af")


@pytest.fixture
def cli(volumes: EngineProcess, request: pytest.FixtureRequest) -> CommandLine:
    return CommandLine(volumes, getattr(request, "param", "sampan"))


both = pytest.mark.parametrize("cli", ["sampan", "docker"], indirect=True)


@pytest.fixture
def filled(volumes: EngineProcess) -> EngineProcess:
    volumes.sampan("build", "-t", "filled", "-", input=FILLED)
    return volumes


@both
def test_a_new_volume_is_filled_with_owner_and_mode(filled: EngineProcess, cli: CommandLine) -> None:
    out = cli.out(
        "run",
        "--rm",
        "-v",
        "fresh:/data",
        "filled",
        "sh",
        "-c",
        "stat -c '%u:%g %a' /data; cat /data/sub/file",
    )
    assert out.splitlines() == ["1000:1000 750", "hello"]


def test_a_volume_is_filled_once_only(filled: EngineProcess) -> None:
    filled.out("run", "--name", "once", "-v", "emptied:/data", "filled", "rm", "-r", "/data/sub")
    filled.sampan("start", "-a", "once", check=False)
    assert (
        filled.out("run", "--rm", "--entrypoint", "ls", "-v", "emptied:/other", "filled", "-A", "/other")
        == ""
    )


def test_a_volume_with_files_is_left_as_it_is(filled: EngineProcess) -> None:
    filled.out("run", "--rm", "-v", "mine:/x", "busybox", "touch", "/x/own")
    assert filled.out("run", "--rm", "-v", "mine:/data", "filled", "ls", "/data") == "own"
    assert filled.out("run", "--rm", "-v", "none:/data:nocopy", "filled", "ls", "/data") == ""


@both
def test_anonymous_volumes_go_with_rm_but_not_from_under_others(cli: CommandLine) -> None:
    cli(
        "run", "-d", "--rm", "--name", "first", "-v", "/anon", "-v", "named:/named", "busybox", "sleep", "600"
    )
    cli("run", "-d", "--rm", "--name", "second", "--volumes-from", "first", "busybox", "sleep", "600")
    (anonymous,) = set(cli.out("volume", "ls", "-q").split()) - {"named"}
    cli("kill", "first")
    wait_until(lambda: cli.out("ps", "-q", "-a", "-f", "name=first") == "", "the first is removed")
    assert anonymous in cli.out("volume", "ls", "-q")
    cli("kill", "second")
    wait_until(lambda: cli.out("volume", "ls", "-q") == "named", "the anonymous volume is gone")


def test_a_container_that_was_only_created_lends_filled_volumes(filled: EngineProcess) -> None:
    filled.docker("create", "--name", "lender", "-v", "/data", "filled")
    read = filled.docker("run", "--rm", "--volumes-from", "lender", "busybox", "cat", "/data/sub/file")
    assert read.stdout == "hello\n"


def test_what_stands_for_something_else_is_not_pruned(volumes: EngineProcess) -> None:
    """A volume with options may be on another machine: Docker leaves it to its owner, and so do we."""
    volumes.docker("volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "elsewhere")
    volumes.docker("volume", "create", "here")
    assert volumes.docker("volume", "prune", "-af").stdout.splitlines()[1:2] == ["here"]
    assert volumes.docker("volume", "ls", "-q").stdout.split() == ["elsewhere"]
    volumes.docker("volume", "rm", "elsewhere")


@both
def test_filters_and_prune(cli: CommandLine) -> None:
    for name, label in (("one", "tier=db"), ("two", "tier=web"), ("three", "other")):
        cli("volume", "create", "--label", label, name)
    unnamed = cli.out("volume", "create")
    cli("run", "-d", "-v", "one:/x", "busybox", "sleep", "600")

    def listed(*filters: str) -> set[str]:
        flags = [word for each in filters for word in ("--filter", each)]
        return set(cli.out("volume", "ls", "-q", *flags).split())

    assert listed("label=tier") == {"one", "two"}
    assert listed("label=tier=web") == {"two"}
    assert listed("name=thr") == {"three"}
    assert listed("driver=local") == {"one", "two", "three", unnamed}
    assert listed("dangling=true") == {"two", "three", unnamed}
    assert listed("dangling=false") == {"one"}
    assert "volume is in use" in cli.fails(1, "volume", "rm", "one")
    assert unnamed in cli.out("volume", "prune", "-f")
    assert listed() == {"one", "two", "three"}
    cli("volume", "prune", "-af", "--filter", "label!=tier")
    assert listed() == {"one", "two"}
    cli("volume", "prune", "-af")
    assert listed() == {"one"}


@both
def test_a_volume_of_memory(cli: CommandLine) -> None:
    cli(
        "volume",
        "create",
        "--opt",
        "type=tmpfs",
        "--opt",
        "device=tmpfs",
        "--opt",
        "o=size=2m,uid=1000",
        "mem",
    )
    out = cli.out(
        "run", "--rm", "-v", "mem:/m", "busybox", "sh", "-c", "stat -c %u /m; grep ' /m ' /proc/mounts"
    )
    owner, mounted = out.splitlines()
    assert owner == "1000"
    assert mounted.startswith("tmpfs /m tmpfs rw")
    assert "size=2048k" in mounted
    options = json.loads(cli.out("volume", "inspect", "mem"))[0]["Options"]
    assert options == {"type": "tmpfs", "device": "tmpfs", "o": "size=2m,uid=1000"}


@both
def test_a_volume_that_is_a_folder_of_the_host(cli: CommandLine, tmp_path: Path) -> None:
    options = ["type=none", "o=bind", f"device={tmp_path}"]
    flag = ",".join(
        ["type=volume,src=folder,dst=/f,volume-label=a=b", *(f"volume-opt={each}" for each in options)]
    )
    cli("run", "--rm", "--mount", flag, "busybox", "touch", "/f/made")
    assert (tmp_path / "made").exists()
    assert json.loads(cli.out("volume", "inspect", "folder"))[0]["Labels"] == {"a": "b"}
    cli("volume", "rm", "folder")
    assert (tmp_path / "made").exists()


def test_a_file_system_that_the_kernel_lacks_is_named(volumes: EngineProcess) -> None:
    flag = "type=volume,src=odd,dst=/odd,volume-opt=type=ext99,volume-opt=device=/dev/null"
    done = volumes.sampan("run", "--rm", "--mount", flag, "busybox", "true", check=False)
    assert done.returncode == 125
    assert "mount ext99 at /odd: this kernel has no file system ext99" in done.stderr


def test_nfs_that_is_not_there_is_named(volumes: EngineProcess) -> None:
    volumes.out(
        "volume",
        "create",
        "-o",
        "type=nfs",
        "-o",
        "o=addr=127.0.0.1,ro,soft,timeo=1,retrans=0",
        "-o",
        "device=:/export",
        "far",
    )
    done = volumes.sampan("run", "--rm", "-v", "far:/far", "busybox", "true", check=False)
    assert done.returncode == 125
    assert "mount nfs at /far" in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["type=tmpfs"], 'missing required option: "device"'),
        (["device=/x"], 'missing required option: "type"'),
        (["colour=red"], 'invalid option: "colour"'),
        (["type=none", "device=/x"], "o=bind"),
    ],
)
def test_wrong_driver_options_are_refused(volumes: EngineProcess, options: list[str], message: str) -> None:
    flags = [word for option in options for word in ("-o", option)]
    assert message in volumes.sampan("volume", "create", *flags, "bad", check=False).stderr


@both
def test_a_folder_inside_a_volume(cli: CommandLine) -> None:
    cli(
        "run",
        "--rm",
        "-v",
        "tree:/t",
        "busybox",
        "sh",
        "-c",
        "mkdir -p /t/a/b; echo deep > /t/a/b/file; ln -s /etc /t/out; ln -s a/b /t/in",
    )
    flag = "type=volume,src=tree,dst=/x,volume-subpath="
    assert cli.out("run", "--rm", "--mount", flag + "a/b", "busybox", "cat", "/x/file") == "deep"
    assert cli.out("run", "--rm", "--mount", flag + "a/b/file", "busybox", "cat", "/x") == "deep"
    assert cli.out("run", "--rm", "--mount", flag + "in", "busybox", "cat", "/x/file") == "deep"
    for path, code, reason in (
        ("out", 125, "cannot access path"),
        ("none", 127, "no such file or directory"),
    ):
        assert reason in cli.fails(code, "run", "--rm", "--mount", flag + path, "busybox", "true")
    for path in ("../x", "/a"):
        assert "subpath must be a relative path" in cli.fails(
            125, "run", "--rm", "--mount", flag + path, "busybox", "true"
        )


@pytest.fixture
def nested(tmp_path: Path) -> Iterator[Path]:
    """A folder with another file system mounted below it."""
    (tmp_path / "below").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(tmp_path / "below")], check=True)
    (tmp_path / "below" / "inner").touch()
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", "-R", str(tmp_path / "below")], check=True)


@both
@pytest.mark.parametrize(
    ("options", "sees", "writes"),
    [
        ("", True, True),
        (",bind-recursive=disabled", False, True),
        (",readonly", True, False),
        (",readonly,bind-recursive=writable", True, True),
        (",readonly,bind-recursive=readonly,bind-propagation=rprivate", True, False),
    ],
)
def test_mounts_below_a_bind(cli: CommandLine, nested: Path, options: str, sees: bool, writes: bool) -> None:
    flag = f"type=bind,src={nested},dst=/b{options}"
    script = "ls /b/below; touch /b/below/new 2>/dev/null && echo written"
    out = cli("run", "--rm", "--mount", flag, "busybox", "sh", "-c", script, check=False).stdout.split()
    assert ("inner" in out, "written" in out) == (sees, writes)


@both
def test_a_missing_source_is_made_when_asked(cli: CommandLine, tmp_path: Path) -> None:
    missing = tmp_path / "not" / "yet"
    flag = f"type=bind,src={missing},dst=/b"
    assert "bind source path does not exist" in cli.fails(
        125, "run", "--rm", "--mount", flag, "busybox", "true"
    )
    if cli.name == "sampan":
        cli("run", "--rm", "--mount", flag + ",bind-create-src", "busybox", "touch", "/b/x")
    else:
        cli("run", "--rm", "-v", f"{missing}:/b", "busybox", "touch", "/b/x")
    assert (missing / "x").exists()


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Path]:
    """A mount point of its own with shared propagation."""
    path = tmp_path / "shared"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(path)], check=True)
    subprocess.run(["mount", "--make-shared", str(path)], check=True)
    (path / "below").mkdir()
    try:
        yield path
    finally:
        subprocess.run(["umount", "-R", str(path)], check=True)


def test_a_slave_sees_later_mounts_of_the_host(volumes: EngineProcess, shared: Path) -> None:
    for mode, expected in (("rslave", True), ("rprivate", False)):
        volumes.out("run", "-d", "--name", mode, "-v", f"{shared}:/s:{mode}", "busybox", "sleep", "600")
        subprocess.run(["mount", "-t", "tmpfs", "later", str(shared / "below")], check=True)
        try:
            assert ("later /s/below" in volumes.out("exec", mode, "cat", "/proc/mounts")) == expected
        finally:
            subprocess.run(["umount", str(shared / "below")], check=True)


def test_what_is_shared_reaches_the_host(volumes: EngineProcess, shared: Path) -> None:
    flags = ["--cap-add", "SYS_ADMIN", "-v", f"{shared}:/s:rshared"]
    volumes.out("run", "--rm", *flags, "busybox", "mount", "-t", "tmpfs", "inside", "/s/below")
    assert f"inside {shared}/below" in Path("/proc/mounts").read_text()


def test_sharing_what_is_not_shared_is_refused(volumes: EngineProcess, tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(private)], check=True)
    try:
        subprocess.run(["mount", "--make-private", str(private)], check=True)
        done = volumes.sampan("run", "--rm", "-v", f"{private}:/s:rshared", "busybox", "true", check=False)
        assert f"path {private} is mounted on {private} but it is not a shared mount" in done.stderr
    finally:
        subprocess.run(["umount", str(private)], check=True)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder of the host's user 4321, with a file."""
    path = tmp_path / "home"
    path.mkdir()
    (path / "theirs").write_text("x")
    for each in (path, path / "theirs"):
        os.chown(each, 4321, 4322)
    return path


@pytest.mark.parametrize(("user", "ids"), [("root", "0:0"), ("user", "1000:1000"), ("77:88", "77:88")])
@both
def test_idmap_makes_the_hosts_user_the_containers(cli: CommandLine, home: Path, user: str, ids: str) -> None:
    script = "stat -c %u:%g /h/theirs; echo y > /h/made; stat -c %u:%g /h/made"
    out = cli.out("run", "--rm", "-u", user, "-v", f"{home}:/h:idmap", "busybox", "sh", "-c", script)
    assert out.split() == [ids, ids]
    made = (home / "made").stat()
    assert (made.st_uid, made.st_gid) == (4321, 4322)


def test_idmap_as_a_mount_option_and_with_numbers(volumes: EngineProcess, home: Path) -> None:
    flag = f"type=bind,src={home},dst=/h,idmap"
    assert volumes.out("run", "--rm", "--mount", flag, "busybox", "stat", "-c", "%u:%g", "/h/theirs") == "0:0"
    numbers = "idmap=uids=4321-5-1#0-0-1;gids=4322-6-1#0-0-1"
    for how in (["-v", f"{home}:/h:{numbers}"], ["--mount", f"type=bind,src={home},dst=/h,{numbers}"]):
        assert volumes.out("run", "--rm", *how, "busybox", "stat", "-c", "%u:%g", "/h/theirs") == "5:6"


@pytest.mark.skipif(shutil.which("runc") is None, reason="no runc here")
def test_idmap_with_a_runtime_that_knows_nothing_of_it(volumes: EngineProcess, home: Path) -> None:
    flags = ["--runtime", "runc", "-v", f"{home}:/h:idmap"]
    assert volumes.out("run", "--rm", *flags, "busybox", "stat", "-c", "%u:%g", "/h/theirs") == "0:0"


def test_idmap_survives_a_restart_of_the_container(volumes: EngineProcess, home: Path) -> None:
    volumes.out(
        "run", "--name", "again", "-v", f"{home}:/h:idmap", "busybox", "stat", "-c", "%u", "/h/theirs"
    )
    volumes.out("start", "-a", "again")
    assert volumes.out("logs", "again").split() == ["0", "0"]


def test_idmap_where_the_file_system_cannot(volumes: EngineProcess) -> None:
    done = volumes.sampan("run", "--rm", "-v", "/proc:/h:idmap", "busybox", "true", check=False)
    assert done.returncode == 125
    assert "cannot map ids" in done.stderr
