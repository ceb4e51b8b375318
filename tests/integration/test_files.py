# SPDX-License-Identifier: Apache-2.0
"""`cp`, `export` and `diff`: files of containers, whether they run or not."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from integration.engine_process import SAMPAN, CommandLine, EngineProcess, wait_until

Make = Callable[..., str]

STATES = ("running", "created", "exited")


@pytest.fixture(params=STATES)
def make(cli: CommandLine, request: pytest.FixtureRequest) -> Make:
    """Makes a container that is in one of the states."""

    def made(*flags: str) -> str:
        if request.param == "created":
            return cli.out("create", *flags, "busybox", "sh")
        program = ["sleep", "600"] if request.param == "running" else ["true"]
        container = cli.out("run", "-d", *flags, "busybox", *program)
        if request.param == "exited":
            cli("wait", container)
        return container

    return made


def read_tar(cli: CommandLine, source: str) -> tarfile.TarFile:
    done = cli("cp", source, "-", text=False)
    return tarfile.open(fileobj=io.BytesIO(done.stdout))


def text_of(archive: tarfile.TarFile, name: str) -> str:
    member = archive.extractfile(name)
    assert member is not None
    return member.read().decode()


def make_tar(*members: tuple[str, bytes | str]) -> bytes:
    """A tar of files (bytes) and symbolic links (text)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def test_a_file_goes_in_and_out(cli: CommandLine, make: Make, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("cargo\n")
    (tmp_path / "in").chmod(0o751)
    container = make()
    cli("cp", f"{tmp_path}/in", f"{container}:/root/new")
    cli("cp", f"{container}:/root/new", f"{tmp_path}/out")
    assert (tmp_path / "out").read_text() == "cargo\n"
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o751


def test_what_goes_in_is_there_when_the_container_starts(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "message").write_text("from outside\n")
    container = cli.out("create", "busybox", "cat", "/etc/message")
    cli("cp", f"{tmp_path}/message", f"{container}:/etc")
    assert cli.out("start", "-a", container) == "from outside"


def test_folders_follow_the_rules_of_cp(cli: CommandLine, make: Make, tmp_path: Path) -> None:
    source = tmp_path / "src"
    (source / "deep/er").mkdir(parents=True)
    (source / "deep/er/file").write_text("x")
    container = make()
    cli("cp", str(source), f"{container}:/opt-new")
    cli("cp", str(source), f"{container}:/tmp")
    cli("cp", f"{source}/.", f"{container}:/home")
    for place in ("/opt-new", "/tmp/src", "/home"):
        assert text_of(read_tar(cli, f"{container}:{place}/deep/er/file"), "file") == "x"
    cli("cp", f"{container}:/tmp/src", f"{tmp_path}/absent")
    cli("cp", f"{container}:/tmp/src", str(tmp_path / "src/deep"))
    cli("cp", f"{container}:/tmp/src/.", f"{tmp_path}/content")
    for place in ("absent", "src/deep/src", "content"):
        assert (tmp_path / place / "deep/er/file").read_text() == "x"


def test_a_tar_on_stdin_and_stdout(cli: CommandLine, make: Make) -> None:
    container = make()
    cli("cp", "-", f"{container}:/tmp", input=make_tar(("a/one", b"1\n"), ("link", "a/one")), text=False)
    archive = read_tar(cli, f"{container}:/tmp/a")
    assert archive.getnames() == ["a", "a/one"]
    assert text_of(archive, "a/one") == "1\n"
    assert read_tar(cli, f"{container}:/tmp/link").getmember("link").linkname == "a/one"


def test_a_link_is_copied_or_followed(cli: CommandLine, make: Make, tmp_path: Path) -> None:
    container = make()
    tar = make_tar(
        ("data/file", b"there\n"), ("rel", "data/file"), ("abs", "/tmp/data/file"), ("way", "data")
    )
    cli("cp", "-", f"{container}:/tmp", input=tar, text=False)
    for name in ("rel", "abs"):
        cli("cp", f"{container}:/tmp/{name}", f"{tmp_path}/{name}")
        assert (tmp_path / name).is_symlink()
        cli("cp", "-L", f"{container}:/tmp/{name}", f"{tmp_path}/{name}-followed")
        assert (tmp_path / f"{name}-followed").read_text() == "there\n"
    cli("cp", f"{container}:/tmp/way/file", f"{tmp_path}/through")
    assert (tmp_path / "through").read_text() == "there\n"


def test_links_of_the_container_never_lead_to_the_host(cli: CommandLine, make: Make, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("of the host\n")
    up = "../" * 30
    links = (
        ("abs", str(outside)),
        ("rel", f"{up}{str(outside)[1:]}"),
        ("proc", "/proc/1/root"),
        ("pw", "/etc/passwd"),
    )
    container = make()
    cli("cp", "-", f"{container}:/tmp", input=make_tar(*links), text=False)
    for name in ("abs", "rel", "proc"):
        done = cli("cp", f"{container}:/tmp/{name}/secret", "-", check=False, text=False)
        assert done.returncode == 1, name
        cli("cp", "-", f"{container}:/tmp/{name}", input=make_tar(("planted", b"!")), text=False, check=False)
        through = make_tar(("again", str(outside)), ("again/planted", b"!"), (f"{name}/planted", b"!"))
        cli("cp", "-", f"{container}:/tmp", input=through, text=False, check=False)
    assert os.listdir(outside) == ["secret"]
    cli("cp", "-L", f"{container}:/tmp/pw", f"{tmp_path}/pw")
    assert "home/user" in (tmp_path / "pw").read_text(), "the container's own file"


def test_a_tar_may_not_leave_its_folder(cli: CommandLine, make: Make) -> None:
    container = make()
    cli.fails(1, "cp", "-", f"{container}:/tmp", input=make_tar(("../escaped", b"!")), text=False)
    assert cli("cp", f"{container}:/escaped", "-", check=False).returncode == 1


def test_volumes_and_binds_are_part_of_the_files(cli: CommandLine, make: Make, tmp_path: Path) -> None:
    (tmp_path / "bound").mkdir()
    (tmp_path / "bound/file").write_text("b\n")
    container = make("-v", f"{tmp_path}/bound:/mnt/bound", "-v", "/vol")
    cli("cp", f"{tmp_path}/bound/file", f"{container}:/vol/kept")
    cli("cp", f"{tmp_path}/bound/file", f"{container}:/mnt/bound/back")
    assert (tmp_path / "bound/back").read_text() == "b\n"
    assert text_of(read_tar(cli, f"{container}:/mnt"), "mnt/bound/file") == "b\n"
    assert cli.out("run", "--rm", "--volumes-from", container, "busybox", "cat", "/vol/kept") == "b"
    cli("rm", "-fv", container)


def test_a_new_volume_shows_the_images_content(cli: CommandLine, tmp_path: Path) -> None:
    container = cli.out("create", "-v", "/etc", "busybox", "cat", "/etc/group", "/etc/more")
    assert "extra" in text_of(read_tar(cli, f"{container}:/etc/group"), "group")
    (tmp_path / "more").write_text("and more\n")
    cli("cp", f"{tmp_path}/more", f"{container}:/etc/more")
    out = cli.out("start", "-a", container)
    assert "extra" in out
    assert "and more" in out
    cli("rm", "-v", container)


def test_read_only_is_read_only(cli: CommandLine, make: Make, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    container = make("--read-only", "-v", f"{tmp_path}:/ro:ro", "-v", "/rw", "--tmpfs", "/tmp")
    assert "rootfs is marked read-only" in cli.fails(1, "cp", f"{tmp_path}/file", f"{container}:/root/x")
    assert "volume is marked read-only" in cli.fails(1, "cp", f"{tmp_path}/file", f"{container}:/ro/y")
    cli("cp", f"{tmp_path}/file", f"{container}:/rw/z")
    assert sorted(os.listdir(tmp_path)) == ["file"]
    cli("rm", "-fv", container)


def test_owners(cli: CommandLine, make: Make, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    container = make("--user", "user")
    cli("cp", "-a", f"{tmp_path}/file", f"{container}:/tmp/theirs")
    cli("cp", f"{tmp_path}/file", f"{container}:/tmp/ours")
    member = read_tar(cli, f"{container}:/tmp/theirs").getmember("theirs")
    assert (member.uid, member.gid) == (1000, 1000)
    assert read_tar(cli, f"{container}:/tmp/ours").getmember("ours").uid == 0
    cli("cp", "-a", f"{container}:/tmp/theirs", f"{tmp_path}/kept")
    if cli.name == "sampan":
        assert (tmp_path / "kept").stat().st_uid == 1000
        cli("cp", f"{container}:/tmp/theirs", f"{tmp_path}/mine")
        assert (tmp_path / "mine").stat().st_uid == os.geteuid()


def test_hard_links_stay_links(cli: CommandLine, make: Make, tmp_path: Path) -> None:
    source = tmp_path / "src"
    source.mkdir()
    (source / "one").write_text("x")
    os.link(source / "one", source / "two")
    container = make()
    cli("cp", str(source), f"{container}:/tmp/there")
    cli("cp", f"{container}:/tmp/there", f"{tmp_path}/back")
    assert (tmp_path / "back/one").stat().st_ino == (tmp_path / "back/two").stat().st_ino


def test_what_is_not_there_is_named(cli: CommandLine, make: Make, tmp_path: Path) -> None:
    container = make()
    assert "Could not find the file /no/such in container" in cli.fails(
        1, "cp", f"{container}:/no/such", str(tmp_path)
    )
    assert "No such container" in cli.fails(1, "cp", "nobody:/etc", str(tmp_path))
    (tmp_path / "file").write_text("x")
    cli.fails(1, "cp", f"{tmp_path}/file", f"{container}:/no/such/folder/")
    cli.fails(1, "cp", f"{tmp_path}/file", f"{container}:/no/such/folder/name")
    cli.fails(1, "cp", str(tmp_path), f"{container}:/etc/passwd")


def test_a_file_never_takes_the_place_of_a_folder(cli: CommandLine, make: Make) -> None:
    container = make()
    done = cli("cp", "-", f"{container}:/", input=make_tar(("home", b"x")), text=False, check=False)
    assert done.returncode == 1
    assert b"cannot overwrite directory" in done.stderr


def test_what_the_kernel_makes_up_is_not_copied(cli: CommandLine, tmp_path: Path) -> None:
    container = cli.out(
        "run", "-d", "--tmpfs", "/scratch", "busybox", "sh", "-c", "echo t >/scratch/t; sleep 600"
    )
    wait_until(
        lambda: not cli("exec", container, "test", "-s", "/scratch/t", check=False).returncode, "written"
    )
    names = read_tar(cli, f"{container}:/").getnames()
    below = {name.strip("/").partition("/")[0] for name in names if name.strip("/").count("/")}
    assert {"bin", "etc", "scratch"} <= below
    assert not below & {"proc", "sys", "dev"}


def mounts_of(engine: EngineProcess) -> list[str]:
    """The host's mounts below the engine's folders: those of others come and go."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line for line in lines if str(engine.data) in line or str(engine.run) in line]


def test_nothing_is_mounted_on_the_host(cli: CommandLine, make: Make, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    container = make("-v", f"{tmp_path}:/bound")
    before = mounts_of(cli.engine)
    cli("cp", f"{tmp_path}/file", f"{container}:/bound/copy")
    cli("cp", f"{container}:/bound", f"{tmp_path}/out")
    assert mounts_of(cli.engine) == before
    engine = cli.engine.process
    assert engine is not None
    assert str(tmp_path) not in Path(f"/proc/{engine.pid}/mountinfo").read_text()


def test_a_big_file_passes_in_constant_memory(engine: EngineProcess, tmp_path: Path) -> None:
    size = 300 << 20
    with (tmp_path / "big").open("wb") as file:
        file.truncate(size)
    container = engine.out("create", "busybox", "sh")
    assert engine.process is not None
    status = Path(f"/proc/{engine.process.pid}/status")
    before = peak_kib(status)
    engine.sampan("cp", f"{tmp_path}/big", f"{container}:/tmp/big")
    engine.sampan("cp", f"{container}:/tmp/big", f"{tmp_path}/back")
    assert (tmp_path / "back").stat().st_size == size
    assert peak_kib(status) - before < 40 << 10


def peak_kib(status: Path) -> int:
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))


def test_copies_and_a_start_at_the_same_time(engine: EngineProcess, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    container = engine.out("create", "busybox", "sleep", "600")

    def begin(*arguments: str) -> subprocess.Popen[bytes]:
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        return subprocess.Popen([*SAMPAN, *arguments], env=engine.environment, **pipes)

    copies = [("cp", f"{tmp_path}/file", f"{container}:/root/{number}") for number in range(8)]
    clients = [begin(*arguments) for arguments in (*copies[:4], ("start", container), *copies[4:])]
    for client in clients:
        out, error = client.communicate(timeout=30)
        assert client.returncode == 0, (out, error)
    assert sorted(engine.out("exec", container, "ls", "/root").split()) == [
        str(number) for number in range(8)
    ]


def test_a_client_that_goes_away_leaves_nothing(engine: EngineProcess, tmp_path: Path) -> None:
    with (tmp_path / "big").open("wb") as file:
        file.truncate(64 << 20)
    container = engine.out("create", "busybox", "sh")
    engine.sampan("cp", f"{tmp_path}/big", f"{container}:/tmp/big")
    assert engine.process is not None
    folder = f"/proc/{engine.process.pid}/fd"
    before = len(os.listdir(folder))
    for _ in range(3):
        reader = subprocess.Popen(
            [
                "curl",
                "-sN",
                "--unix-socket",
                str(engine.socket),
                f"http://x/containers/{container}/archive?path=/tmp",
            ],
            stdout=subprocess.PIPE,
        )
        assert reader.stdout is not None
        assert reader.stdout.read(1000)
        reader.kill()
        reader.stdout.close()
        reader.wait()
    wait_until(lambda: len(os.listdir(folder)) <= before, "descriptors are closed")
    assert not engine.sampan("start", container).returncode


def test_export_has_the_files_without_mounts(cli: CommandLine, make: Make, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    container = make("-v", f"{tmp_path}:/bound")
    cli("cp", "-", f"{container}:/tmp", input=make_tar(("made", b"here\n")), text=False)
    cli("export", "-o", f"{tmp_path}/all.tar", container)
    with tarfile.open(tmp_path / "all.tar") as archive:
        names = archive.getnames()
        assert text_of(archive, "tmp/made") == "here\n"
    assert "bin/busybox" in names
    assert not [name for name in names if name.startswith(("bound/", "proc/", "sys/", "dev/"))]


def test_export_and_import_make_an_image(cli: CommandLine, tmp_path: Path) -> None:
    container = cli.out("run", "-d", "busybox", "sh", "-c", "echo 1 >/one; rm /etc/group")
    cli("wait", container)
    cli("export", "-o", f"{tmp_path}/all.tar", container)
    cli("import", f"{tmp_path}/all.tar", "again:latest")
    out = cli.out("run", "--rm", "again", "/bin/sh", "-c", "cat /one; ls /etc/group 2>/dev/null || echo gone")
    assert out.split() == ["1", "gone"]
    cli("rmi", "-f", "again")


def test_diff_tells_what_changed(cli: CommandLine) -> None:
    script = "mkdir -p /a/b; echo >/a/b/c; echo >>/etc/passwd; rm /etc/group; rm -r /home; mkdir /home; chmod 700 /var"
    container = cli.out("run", "-d", "busybox", "sh", "-c", script)
    cli("wait", container)
    assert cli.out("diff", container).splitlines() == [
        "A /a", "A /a/b", "A /a/b/c", "C /etc", "D /etc/group", "C /etc/passwd", "C /home", "D /home/user", "C /var",
    ]  # fmt: skip


def test_diff_of_a_container_that_changed_nothing(cli: CommandLine) -> None:
    container = cli.out("run", "-d", "busybox", "true")
    cli("wait", container)
    assert cli.out("diff", container) == ""
    assert cli.out("diff", cli.out("create", "busybox")) == ""
