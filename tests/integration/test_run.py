# SPDX-License-Identifier: Apache-2.0
"""`run`: what reaches the program, and what its end means for the caller."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from integration.engine_process import CommandLine, EngineProcess, wait_until


def test_output_and_errors_keep_apart(cli: CommandLine) -> None:
    done = cli("run", "--rm", "busybox", "sh", "-c", "echo out; echo err >&2")
    assert (done.stdout, done.stderr) == ("out\n", "err\n")


def test_detached_prints_the_id(cli: CommandLine) -> None:
    container = cli.out("run", "-d", "busybox", "sleep", "60")
    assert len(container) == 64
    assert cli.out("inspect", "-f", "{{.State.Status}} {{.Id}}", container) == f"running {container}"


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["busybox", "sh", "-c", "exit 7"], 7),
        (["busybox", "true"], 0),
        (["--init", "busybox", "sh", "-c", "kill -9 $$"], 137),
        (["--init", "busybox", "sh", "-c", "kill -TERM $$"], 143),
        (["busybox", "no-such-program"], 127),
        (["busybox", "/no/such/program"], 127),
        (["busybox", "/etc/passwd"], 126),
        (["busybox", "/etc"], 126),
        (["--memory", "nonsense", "busybox", "true"], 125),
        (["--no-such-flag", "busybox", "true"], 125),
        (["--name", "bad name", "busybox", "true"], 125),
        (["no-such-image-here:1", "true"], 125),
        (["UPPER", "true"], 125),
    ],
)
@pytest.mark.parametrize("rm", [True, False])
def test_exit_codes(cli: CommandLine, args: list[str], code: int, rm: bool) -> None:
    done = cli("run", *(["--rm"] if rm else []), *args, check=False)
    assert done.returncode == code, done.stderr
    if rm:
        wait_until(lambda: cli.out("ps", "-aq") == "", "the container is removed")


def test_a_missing_program_is_named(cli: CommandLine) -> None:
    error = cli.fails(127, "run", "--rm", "busybox", "frobnicate")
    assert 'exec: "frobnicate": executable file not found in $PATH' in error
    assert "permission denied" in cli.fails(126, "run", "--rm", "busybox", "/etc/passwd")


def test_a_failed_start_keeps_the_container_as_created(cli: CommandLine) -> None:
    cli.fails(127, "run", "--name", "broken", "busybox", "frobnicate")
    state = json.loads(cli.out("inspect", "-f", "{{json .State}}", "broken"))
    assert (state["Status"], state["ExitCode"]) == ("created", 127)
    assert "executable file not found" in state["Error"]


def test_an_unknown_image_is_named(cli: CommandLine) -> None:
    error = cli.fails(125, "run", "--pull", "never", "no-such-image:7", "true")
    assert "No such image: no-such-image:7" in error


def test_a_name_in_use(cli: CommandLine) -> None:
    container = cli.out("run", "-d", "--name", "taken", "busybox", "sleep", "60")
    error = cli.fails(125, "run", "--name", "taken", "busybox", "true")
    assert f'The container name "/taken" is already in use by container "{container}"' in error
    assert "You have to remove (or rename) that container to be able to reuse that name." in error


def test_stdin_reaches_the_program(cli: CommandLine) -> None:
    assert cli("run", "-i", "--rm", "busybox", "cat", input="one\ntwo\n").stdout == "one\ntwo\n"


def test_much_stdin_comes_back_whole(cli: CommandLine) -> None:
    data = bytes(range(256)) * 8192
    done = cli("run", "-i", "--rm", "busybox", "cat", input=data, text=False)
    assert done.stdout == data  # type: ignore[comparison-overlap]


def test_without_i_stdin_is_empty(cli: CommandLine) -> None:
    assert cli("run", "--rm", "busybox", "cat", input="ignored").stdout == ""


def test_environment_of_flags_files_and_caller(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "env").write_text("# comment\nFROM_FILE=a b\nCALLERS\nEMPTY=\n\nLATER=file\n")
    flags = ["-e", "DIRECT=1", "-e", "CALLERS_TOO", "-e", "LATER=flag", "--env-file", str(tmp_path / "env")]
    environment = cli.engine.environment | {"CALLERS": "yes", "CALLERS_TOO": "too"}
    out = cli("run", "--rm", *flags, "busybox", "env", env=environment).stdout.splitlines()
    expected = {"DIRECT=1", "CALLERS=yes", "CALLERS_TOO=too", "FROM_FILE=a b", "LATER=flag", "EMPTY="}
    assert expected <= set(out)
    assert "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" in out
    assert any(line.startswith("HOSTNAME=") for line in out)
    assert "HOME=/root" in out


def test_working_directory_is_made(cli: CommandLine) -> None:
    assert cli.out("run", "--rm", "-w", "/new/place", "busybox", "pwd") == "/new/place"


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("user", "1000:1000:1000 2000:/home/user"),
        ("1000", "1000:1000:1000 2000:/home/user"),
        ("1234:5678", "1234:5678:5678:/"),
        ("user:extra", "1000:2000:2000:/home/user"),
        ("0", "0:0:0:/root"),
    ],
)
def test_users(cli: CommandLine, user: str, expected: str) -> None:
    script = 'echo $(id -u):$(id -g):"$(id -G)":$HOME'
    assert cli.out("run", "--rm", "-u", user, "busybox", "sh", "-c", script) == expected


def test_an_unknown_user(cli: CommandLine) -> None:
    error = cli.fails(125, "run", "--rm", "-u", "nobody-here", "busybox", "id")
    assert "unable to find user nobody-here: no matching entries in passwd file" in error


def test_entrypoint_and_hostname(cli: CommandLine) -> None:
    out = cli.out("run", "--rm", "--hostname", "ship", "--entrypoint", "hostname", "busybox")
    assert out == "ship"
    assert cli.out("run", "--rm", "--entrypoint", "echo", "busybox", "a", "b") == "a b"


def test_the_hostname_is_the_short_id(cli: CommandLine) -> None:
    container = cli.out("run", "-d", "busybox", "sh", "-c", "hostname; cat /etc/hostname; sleep 60")
    wait_until(lambda: cli.out("logs", container).split() == [container[:12]] * 2, "both names are logged")


def test_labels(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "labels").write_text("fromfile=x\n")
    container = cli.out(
        "run",
        "-d",
        "--label",
        "a=1",
        "-l",
        "bare",
        "--label-file",
        str(tmp_path / "labels"),
        "busybox",
        "true",
    )
    labels = json.loads(cli.out("inspect", "-f", "{{json .Config.Labels}}", container))
    assert labels == {"a": "1", "bare": "", "fromfile": "x"}


def test_rm_takes_the_anonymous_volume_along(cli: CommandLine) -> None:
    before = cli.out("volume", "ls", "-q")
    cli("run", "--rm", "-v", "/data", "busybox", "touch", "/data/x")
    wait_until(lambda: cli.out("volume", "ls", "-q") == before, "the volume is gone")


def test_cidfile(cli: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "id"
    container = cli.out("run", "-d", "--cidfile", str(path), "busybox", "true")
    assert path.read_text() == container


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_to_the_client_reach_the_program(cli: CommandLine, number: signal.Signals) -> None:
    script = "trap 'echo caught; exit 9' TERM INT HUP; echo ready; while :; do sleep 0.05; done"
    with cli.running("run", "--rm", "busybox", "sh", "-c", script) as client:
        assert client.stdout
        assert client.stdout.readline() == b"ready\n"
        client.send_signal(number)
        out, _ = client.communicate(timeout=20)
        assert (out, client.returncode) == (b"caught\n", 9)


def test_both_command_lines_see_the_same_containers(engine: EngineProcess) -> None:
    ours = engine.out("run", "-d", "--name", "ours", "busybox", "sleep", "60")
    theirs = engine.docker("run", "-d", "--name", "theirs", "busybox", "sleep", "60").stdout.strip()
    for listing in (
        engine.out("ps", "-q", "--no-trunc"),
        engine.docker("ps", "-q", "--no-trunc").stdout.strip(),
    ):
        assert listing.split() == [theirs, ours]


def test_create_then_start_attached(cli: CommandLine) -> None:
    container = cli.out("create", "-i", "busybox", "sh", "-c", "cat; exit 3")
    done = cli("start", "-ai", container, input="through", check=False)
    assert (done.stdout, done.returncode) == ("through", 3)
