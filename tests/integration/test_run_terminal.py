# SPDX-License-Identifier: Apache-2.0
"""`run -it` and `exec -it`: a real terminal, with resize, interrupts, detaching and job control."""

from __future__ import annotations

from integration.engine_process import CommandLine, wait_until
from integration.terminal import terminal

INTERRUPT, SUSPEND, END_OF_FILE = "\x03", "\x1a", "\x04"
DETACH = "\x10\x11"
SHELL = ("busybox", "sh")
PROMPT = "/ # "


def test_a_shell_on_a_terminal(cli: CommandLine) -> None:
    with terminal(cli, "run", "-it", "--rm", *SHELL, rows=33, columns=101) as term:
        term.expect(PROMPT)
        term.type("tty; stty size; echo TERM=$TERM\n")
        term.expect("/dev/pts/0\r\n")
        term.expect("33 101\r\n")
        term.expect("TERM=xterm\r\n")
        term.type("exit 5\n")
        assert term.wait() == 5
        assert term.settings_are_restored()


def test_resize_reaches_the_program(cli: CommandLine) -> None:
    script = "trap 'stty size' WINCH; echo ready; while :; do sleep 0.05; done"
    with terminal(cli, "run", "-it", "--rm", "busybox", "sh", "-c", script) as term:
        term.expect("ready")
        term.resize_until_told(40, 132)
        term.resize_until_told(50, 77)


def test_interrupt_stops_the_foreground_program_only(cli: CommandLine) -> None:
    with terminal(cli, "run", "-it", "--rm", *SHELL) as term:
        term.expect(PROMPT)
        term.type("sh -c 'echo be\"\"gin; exec sleep 100'\n")
        term.expect("begin\r\n")
        term.type(INTERRUPT)
        term.expect(PROMPT)
        term.type("echo code $?\n")
        term.expect("code 130\r\n")


def test_job_control(cli: CommandLine) -> None:
    with terminal(cli, "run", "-it", "--rm", *SHELL) as term:
        term.expect(PROMPT)
        term.type("sh -c 'echo be''gun; exec cat'\n")
        term.expect("begun\r\n")
        term.type("line\n")
        term.expect("line\r\nline\r\n")
        term.type(SUSPEND)
        term.expect("Stopped")
        term.expect(PROMPT)
        term.type("jobs\n")
        term.expect("cat")
        term.type("fg\n")
        term.expect("fg\r\n")
        term.expect("cat")
        term.type("again\n")
        term.expect("again\r\nagain\r\n")
        term.type(END_OF_FILE)
        term.expect(PROMPT)
        term.type(END_OF_FILE)
        assert term.wait() == 0


def test_detach_and_attach_again(cli: CommandLine) -> None:
    with terminal(cli, "run", "-it", "--name", "ship", *SHELL) as term:
        term.expect(PROMPT)
        term.type("x=kept\n")
        term.expect(PROMPT)
        term.type(DETACH)
        term.wait()
        assert term.settings_are_restored()
    assert cli.out("inspect", "-f", "{{.State.Running}}", "ship") == "true"
    with terminal(cli, "attach", "ship") as term:
        term.type("echo $x-$x\n")
        term.expect("kept-kept\r\n")
        term.type("exit 4\n")
        assert term.wait() == 4


def test_detach_keys_of_ones_own(cli: CommandLine) -> None:
    with terminal(cli, "run", "-it", "--detach-keys", "ctrl-x,q", "--name", "ship", *SHELL) as term:
        term.expect(PROMPT)
        term.type("echo \x10\x11ok\n")
        term.expect("ok\r\n")
        term.type("\x18q")
        term.wait()
    assert cli.out("inspect", "-f", "{{.State.Running}}", "ship") == "true"


def test_a_lone_detach_key_reaches_the_program(cli: CommandLine) -> None:
    with terminal(
        cli, "run", "-it", "--rm", "busybox", "sh", "-c", "stty raw -echo; echo ready; head -c 2 | od -c"
    ) as term:
        term.expect("ready")
        term.type("\x10z")
        term.expect("020")
        term.expect("z")


def test_both_streams_share_the_terminal(cli: CommandLine) -> None:
    with terminal(cli, "run", "-it", "--rm", "busybox", "sh", "-c", "echo one; echo two >&2") as term:
        term.expect("one\r\ntwo\r\n")
        assert term.wait() == 0


def test_exec_on_a_terminal(cli: CommandLine) -> None:
    container = cli.out("run", "-d", "busybox", "sleep", "100")
    with terminal(cli, "exec", "-it", container, "sh", rows=21, columns=91) as term:
        term.expect(PROMPT)
        term.type("stty size; tty\n")
        term.expect("21 91\r\n")
        term.expect("/dev/pts/")
        term.resize(30, 99)
        term.type("sh -c 'echo be\"\"gun; exec sleep 100'\n")
        term.expect("begun\r\n")
        term.type(INTERRUPT)
        term.expect(PROMPT)
        term.type("stty size\n")
        term.expect("30 99\r\n")
        term.type("exit 6\n")
        assert term.wait() == 6


def test_leaving_an_exec_leaves_it_running(cli: CommandLine) -> None:
    container = cli.out("run", "-d", "busybox", "sleep", "100")
    with terminal(cli, "exec", "-it", container, "sh", "-c", "echo ready; sleep 55") as term:
        term.expect("ready")
        term.type(DETACH)
        term.wait()
    assert "sleep 55" in cli.out("exec", container, "ps")


def test_a_terminal_is_asked_for_without_one(cli: CommandLine) -> None:
    error = cli.fails(1, "run", "-it", "--rm", "busybox", "true", input="")
    assert "the input device is not a TTY" in error


def test_tty_without_stdin_makes_line_ends_of_a_terminal(cli: CommandLine) -> None:
    assert cli("run", "-t", "--rm", "busybox", "echo", "x", text=False).stdout == b"x\r\n"  # type: ignore[comparison-overlap]


def test_logs_of_a_terminal_are_raw(cli: CommandLine) -> None:
    container = cli.out("run", "-dt", "busybox", "echo", "x")
    cli("wait", container)
    wait_until(lambda: cli("logs", container, text=False).stdout == b"x\r\n", "the log is whole")  # type: ignore[comparison-overlap]


def test_closing_the_terminal_leaves_the_container(cli: CommandLine) -> None:
    with terminal(cli, "run", "-it", "--name", "ship", *SHELL) as term:
        term.expect(PROMPT)
    assert cli.out("inspect", "-f", "{{.State.Running}}", "ship") == "true"
