# SPDX-License-Identifier: Apache-2.0
"""`logs`: everything the program said, as it said it."""

from __future__ import annotations

import hashlib
import time

import pytest

from integration.engine_process import CommandLine, wait_until

COUNT = "for i in 1 2 3 4 5; do echo line $i; done"


@pytest.fixture
def ship(cli: CommandLine) -> str:
    container = cli.out("run", "-d", "busybox", "sh", "-c", COUNT)
    cli("wait", container)
    return container


def test_streams_stay_apart(cli: CommandLine) -> None:
    container = cli.out("run", "-d", "busybox", "sh", "-c", "echo out; echo err >&2")
    cli("wait", container)
    done = cli("logs", container)
    assert (done.stdout, done.stderr) == ("out\n", "err\n")


@pytest.mark.parametrize(
    ("tail", "expected"), [("2", [4, 5]), ("0", []), ("all", [1, 2, 3, 4, 5]), ("99", [1, 2, 3, 4, 5])]
)
def test_tail(cli: CommandLine, ship: str, tail: str, expected: list[int]) -> None:
    out = cli("logs", "--tail", tail, ship).stdout
    assert out == "".join(f"line {n}\n" for n in expected)


def test_timestamps(cli: CommandLine, ship: str) -> None:
    lines = cli.out("logs", "-t", ship).splitlines()
    assert len(lines) == 5
    for number, line in enumerate(lines, 1):
        stamp, text = line.split(" ", 1)
        assert text == f"line {number}"
        assert len(stamp) == len("2026-01-01T00:00:00.000000000Z")
        assert stamp.startswith(time.strftime("%Y-", time.gmtime()))


def test_since_and_until(cli: CommandLine) -> None:
    container = cli.out("run", "-d", "busybox", "sh", "-c", "echo early; sleep 1.2; echo late")
    cli("wait", container)
    stamps = [line.split()[0] for line in cli.out("logs", "-t", container).splitlines()]
    assert cli("logs", "--since", stamps[1], container).stdout == "late\n"
    assert cli("logs", "--until", stamps[0], container).stdout in ("early\n", "")
    assert cli("logs", "--since", "1h", container).stdout == "early\nlate\n"
    assert cli("logs", "--until", "1h", container).stdout == ""


def test_follow_shows_what_comes_and_ends_with_the_container(cli: CommandLine) -> None:
    container = cli.out("run", "-d", "-i", "busybox", "sh", "-c", "echo first; read x; echo second")
    with cli.running("logs", "-f", container) as client:
        assert client.stdout
        assert client.stdout.readline() == b"first\n"
        time.sleep(0.05)
        assert client.poll() is None
        cli("attach", container, input="go\n")
        out, _ = client.communicate(timeout=20)
        assert (out, client.returncode) == (b"second\n", 0)


def test_follow_of_an_ended_container_ends(cli: CommandLine, ship: str) -> None:
    assert cli("logs", "-f", "--tail", "1", ship).stdout == "line 5\n"


def test_follow_survives_a_restart_of_what_it_follows(cli: CommandLine) -> None:
    container = cli.out("run", "-d", "busybox", "sh", "-c", "echo run")
    cli("wait", container)
    cli("start", container)
    cli("wait", container)
    assert cli("logs", container).stdout == "run\nrun\n"


def test_a_line_of_ten_megabytes(cli: CommandLine) -> None:
    size = 10 << 20
    script = f"head -c {size} /dev/zero | tr '\\0' a; echo; echo end"
    container = cli.out("run", "-d", "busybox", "sh", "-c", script)
    cli("wait", container)
    out = cli("logs", container, text=False).stdout
    assert len(out) == size + 5
    assert out == b"a" * size + b"\nend\n"  # type: ignore[comparison-overlap]
    assert cli("logs", "--tail", "1", container).stdout == "end\n"
    assert len(cli("logs", "--tail", "2", container).stdout) == size + 5


def test_binary_output_is_untouched(cli: CommandLine) -> None:
    script = "head -c 300000 /dev/urandom | tee /copy; sha256sum /copy >&2"
    done = cli("run", "--name", "noise", "busybox", "sh", "-c", script, text=False)
    wanted = done.stderr.split()[0].decode()  # type: ignore[attr-defined]
    assert hashlib.sha256(done.stdout).hexdigest() == wanted  # type: ignore[arg-type]
    logged = cli("logs", "noise", text=False)
    assert hashlib.sha256(logged.stdout).hexdigest() == wanted  # type: ignore[arg-type]


def test_output_without_a_newline(cli: CommandLine) -> None:
    container = cli.out("run", "-d", "busybox", "printf", "no end")
    cli("wait", container)
    wait_until(lambda: cli("logs", container).stdout == "no end", "the log is whole")


def test_no_such_container(cli: CommandLine) -> None:
    assert "No such container: nobody" in cli.fails(1, "logs", "nobody")


def test_many_lines_keep_their_order(cli: CommandLine) -> None:
    done = cli("run", "--name", "counter", "busybox", "seq", "1", "20000")
    expected = "".join(f"{n}\n" for n in range(1, 20001))
    assert done.stdout == expected
    assert cli("logs", "counter").stdout == expected
    assert cli("logs", "--tail", "3", "counter").stdout == "19998\n19999\n20000\n"


def test_log_driver_none(cli: CommandLine) -> None:
    assert cli("run", "--name", "quiet", "--log-driver", "none", "busybox", "echo", "x").stdout == "x\n"
    done = cli("logs", "quiet", check=False)
    assert done.stdout == ""
