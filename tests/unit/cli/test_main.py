# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import sampan as package
from scripted_engine import ScriptedEngine, chunked, frame


def test_version_of_the_program(sampan) -> None:
    assert sampan("--version") == (0, f"Sampan version {package.__version__}\n", "")
    assert sampan("-v").out == f"Sampan version {package.__version__}\n"


@pytest.mark.parametrize("words", [(), ("--help",), ("help",), ("-h",)])
def test_help_without_a_command(sampan, words: tuple[str, ...]) -> None:
    said = sampan(*words)
    assert said.status == 0
    assert said.out.startswith("Usage:  sampan [OPTIONS] COMMAND\n")


def test_help_of_a_command_three_ways(sampan) -> None:
    texts = {sampan(*words).out for words in (("ps", "--help"), ("help", "ps"), ("ps", "-h"))}
    assert len(texts) == 1
    assert "Aliases:\n  sampan container ls" in texts.pop()


def test_the_words_typed_are_the_words_of_the_usage(sampan) -> None:
    assert sampan("container", "rm", "--help").out.startswith("Usage:  sampan container rm [OPTIONS]")


def test_an_unknown_command_is_refused_with_the_nearest(sampan) -> None:
    said = sampan("imags")
    assert said.status == 1
    assert said.out == ""
    assert said.err.startswith("sampan: unknown command: sampan imags\nhint: did you mean 'images'?\n")


def test_an_unknown_command_of_a_group_is_refused(sampan) -> None:
    said = sampan("container", "remov")
    assert said.status == 1
    assert said.err.startswith(
        "sampan: unknown command: sampan container remov\nhint: did you mean 'remove'?\n"
    )
    assert said.err.endswith("Run 'sampan container --help' for more information\n")


@pytest.mark.parametrize("words", [("ps", "--foo"), ("run", "--foo"), ("container", "ls", "--foo")])
def test_an_unknown_flag_exits_with_125(sampan, words: tuple[str, ...]) -> None:
    said = sampan(*words)
    assert said.status == 125
    assert said.err.startswith("sampan: unknown flag: --foo\n\nUsage:  sampan ")
    assert said.err.endswith(f"Run 'sampan {' '.join(words[:-1])} --help' for more information\n")


def test_an_unknown_global_flag_exits_with_125(sampan) -> None:
    assert sampan("--foo", "ps").status == 125


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("rm",), "'sampan rm' requires at least 1 argument"),
        (("logs",), "'sampan logs' requires 1 argument"),
        (("rename", "a"), "'sampan rename' requires 2 arguments"),
        (("ps", "x"), "'sampan ps' accepts no arguments"),
        (("port",), "'sampan port' requires at least 1 and at most 2 arguments"),
        (("images", "a", "b"), "'sampan images' requires at most 1 argument"),
    ],
)
def test_a_wrong_number_of_arguments_exits_with_1(sampan, words: tuple[str, ...], complaint: str) -> None:
    said = sampan(*words)
    assert said.status == 1
    assert said.err.startswith(f"sampan: {complaint}\n\nUsage:  sampan {words[0]}")


def test_an_engine_that_is_not_there_is_said_with_a_hint(capfd) -> None:
    from sampan.cli.main import run
    from sampan.cli.output import Output

    assert run(["-H", "unix:///nonexistent.sock", "ps"], Output()) == 1
    assert capfd.readouterr().err.startswith(
        "sampan: cannot connect to the engine at unix:///nonexistent.sock: no such file or directory\nhint: "
    )


def test_an_unreadable_file_is_said_by_its_name(sampan) -> None:
    said = sampan("load", "-i", "/nonexistent.tar")
    assert (said.status, said.err) == (1, "sampan: /nonexistent.tar: no such file or directory\n")


def _start(scripted: ScriptedEngine, *words: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "sampan.cli.main", "-H", f"unix://{scripted.path}", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def _follow_for_ever(scripted: ScriptedEngine) -> None:
    scripted.on("GET /containers/x/json", json={"Id": "x", "Config": {"Tty": False}})

    def talk(connection, _request) -> None:
        connection.sendall(chunked(frame(1, b"hello\n")).removesuffix(b"0\r\n\r\n"))
        try:
            while True:
                data = frame(1, b"again\n" * 1000)
                connection.sendall(b"%x\r\n%b\r\n" % (len(data), data))
        except OSError:
            return

    scripted.on("GET /containers/x/logs", talk)


def test_a_reader_that_goes_away_ends_the_command_quietly(scripted: ScriptedEngine) -> None:
    _follow_for_ever(scripted)
    with _start(scripted, "logs", "-f", "x") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(6) == b"hello\n"
        process.stdout.close()
        assert process.wait(10) == -signal.SIGPIPE
        assert process.stderr.read() == b""


def test_ctrl_c_exits_with_130_and_no_traceback(scripted: ScriptedEngine) -> None:
    scripted.on("GET /containers/x/json", json={"Id": "x", "Config": {"Tty": False}})
    hold = os.pipe()

    def talk(connection, _request) -> None:
        connection.sendall(chunked(frame(1, b"hello\n")).removesuffix(b"0\r\n\r\n"))
        os.read(hold[0], 1)

    scripted.on("GET /containers/x/logs", talk)
    with _start(scripted, "logs", "-f", "x") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(6) == b"hello\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
        assert process.stderr.read() == b""
    os.close(hold[1])
    os.close(hold[0])


def test_a_log_level_that_is_accepted_does_nothing(sampan, scripted: ScriptedEngine, tmp_path: Path) -> None:
    scripted.on("GET /containers/json", json=[])
    words = ("--config", str(tmp_path), "-l", "error", "-c", "default", "ps", "-q")
    assert sampan(*words) == (0, "", "")
