# SPDX-License-Identifier: Apache-2.0
"""start, stop, kill, rm, wait, pause, rename, restart: a container's life from outside."""

from __future__ import annotations

import json
import time

import pytest

from integration.engine_process import CommandLine, EngineProcess, wait_until

TRAP = "trap 'echo term; exit 6' TERM; trap 'echo usr1' USR1; echo ready; while :; do sleep 0.05; done"


def trapping(cli: CommandLine, *flags: str) -> str:
    container = cli.out("run", "-d", *flags, "busybox", "sh", "-c", TRAP)
    wait_until(lambda: "ready" in cli.out("logs", container), "the traps are set")
    return container


def state(cli: CommandLine, container: str) -> dict[str, object]:
    return dict(json.loads(cli.out("inspect", "-f", "{{json .State}}", container)))


def test_stop_lets_the_program_end_itself(cli: CommandLine) -> None:
    container = trapping(cli)
    assert cli.out("stop", container) == container
    assert state(cli, container)["ExitCode"] == 6
    assert "term" in cli.out("logs", container)


def test_stop_kills_after_the_timeout(cli: CommandLine) -> None:
    container = cli.out("run", "-d", "busybox", "sh", "-c", "trap '' TERM; while :; do sleep 0.1; done")
    begin = time.monotonic()
    cli("stop", "-t", "1", container)
    assert 0.9 < time.monotonic() - begin < 5
    assert state(cli, container)["ExitCode"] == 137


def test_stop_with_a_signal_of_the_containers_own(cli: CommandLine) -> None:
    container = cli.out(
        "run",
        "-d",
        "--stop-signal",
        "USR2",
        "busybox",
        "sh",
        "-c",
        "trap 'exit 8' USR2; echo ready; while :; do sleep 0.05; done",
    )
    wait_until(lambda: "ready" in cli.out("logs", container), "the trap is set")
    cli("stop", container)
    assert state(cli, container)["ExitCode"] == 8


def test_stop_of_what_is_stopped_is_no_error(cli: CommandLine) -> None:
    container = cli.out("run", "-d", "busybox", "true")
    cli("wait", container)
    cli("stop", container)
    cli("start", container)
    cli("stop", container)


def test_start_again_keeps_files(cli: CommandLine) -> None:
    container = cli.out("run", "-d", "busybox", "sh", "-c", "echo x >>/file; wc -l </file")
    cli("wait", container)
    assert cli.out("start", container) == container
    cli("wait", container)
    assert cli.out("logs", container).split() == ["1", "2"]


def test_start_attached_gives_output_and_code(cli: CommandLine) -> None:
    container = cli.out("create", "busybox", "sh", "-c", "echo out; exit 5")
    done = cli("start", "-a", container, check=False)
    assert (done.stdout, done.returncode) == ("out\n", 5)


def test_kill_with_signals(cli: CommandLine) -> None:
    container = trapping(cli)
    cli("kill", "-s", "USR1", container)
    wait_until(lambda: "usr1" in cli.out("logs", container), "the signal arrived")
    cli("kill", "--signal", "SIGTERM", container)
    assert cli.out("wait", container) == "6"
    again = trapping(cli)
    cli("kill", again)
    assert cli.out("wait", again) == "137"


def test_kill_refuses(cli: CommandLine) -> None:
    container = cli.out("run", "-d", "busybox", "true")
    cli("wait", container)
    assert f"container {container} is not running" in cli.fails(1, "kill", container)
    assert "No such container: nobody" in cli.fails(1, "kill", "nobody")
    running = cli.out("run", "-d", "busybox", "sleep", "60")
    assert "nvalid signal: WHAT" in cli.fails(1, "kill", "-s", "WHAT", running)


def test_rm_refuses_what_runs(cli: CommandLine) -> None:
    container = cli.out("run", "-d", "--name", "ship", "busybox", "sleep", "60")
    error = cli.fails(1, "rm", container)
    assert "container is running" in error
    assert cli.out("rm", "-f", "ship") == "ship"
    assert cli.out("ps", "-aq") == ""
    assert "No such container: ship" in cli.fails(1, "rm", "ship")


def test_rm_goes_on_after_an_unknown_name(cli: CommandLine) -> None:
    cli("create", "--name", "one", "busybox")
    done = cli("rm", "nobody", "one", check=False)
    assert (done.returncode, done.stdout) == (1, "one\n")


def test_wait_for_several(cli: CommandLine) -> None:
    containers = [cli.out("run", "-d", "busybox", "sh", "-c", f"sleep 0.{n}; exit {n}") for n in (3, 1)]
    assert cli.out("wait", *containers).split() == ["3", "1"]


def test_pause_and_unpause(cli: CommandLine) -> None:
    container = cli.out(
        "run", "-d", "--name", "ship", "busybox", "sh", "-c", "while :; do echo x; sleep 0.02; done"
    )
    cli("pause", "ship")
    assert cli.out("ps", "--format", "{{.Status}}").endswith("(Paused)")
    assert state(cli, container)["Paused"] is True
    frozen = cli.out("logs", container)
    time.sleep(0.1)
    assert cli.out("logs", container) == frozen
    assert "is paused" in cli.fails(1, "exec", "ship", "true")
    assert "already paused" in cli.fails(1, "pause", "ship")
    cli("unpause", "ship")
    wait_until(lambda: len(cli.out("logs", container)) > len(frozen), "it goes on")
    assert "not paused" in cli.fails(1, "unpause", "ship")


def test_a_paused_container_can_be_stopped_killed_and_removed(engine: EngineProcess) -> None:
    for command in (("stop", "-t", "0"), ("kill",), ("rm", "-f")):
        container = engine.out("run", "-d", "busybox", "sleep", "60")
        engine.out("pause", container)
        engine.out(*command, container)
        assert engine.out("ps", "-q") == ""
    assert len(engine.out("ps", "-aq").split()) == 2


def test_rename(cli: CommandLine) -> None:
    container = cli.out("run", "-d", "--name", "old", "busybox", "sleep", "60")
    cli("create", "--name", "other", "busybox")
    assert 'The container name "/other" is already in use' in cli.fails(1, "rename", "old", "other")
    cli("rename", "old", "new")
    assert cli.out("inspect", "-f", "{{.Name}} {{.Id}}", "new") == f"/new {container}"
    assert cli.fails(1, "inspect", "old")


def test_restart(cli: CommandLine) -> None:
    container = trapping(cli)
    first = state(cli, container)["Pid"]
    cli("restart", container)
    now = state(cli, container)
    assert now["Running"] is True
    assert now["Pid"] != first
    assert cli.out("logs", container).count("term") == 1


def test_restart_on_failure_gives_up(cli: CommandLine) -> None:
    container = cli.out("run", "-d", "--restart", "on-failure:2", "busybox", "sh", "-c", "echo try; exit 3")
    wait_until(lambda: cli.out("logs", container).count("try") == 3, "it was tried again twice")
    wait_until(lambda: state(cli, container)["Status"] == "exited", "it was given up")
    assert cli.out("inspect", "-f", "{{.RestartCount}}", container) == "2"


def test_stop_ends_a_restarting_container(cli: CommandLine) -> None:
    container = cli.out("run", "-d", "--restart", "always", "busybox", "true")
    wait_until(lambda: cli.out("inspect", "-f", "{{.RestartCount}}", container) != "0", "it restarts")
    cli("stop", container)
    assert state(cli, container)["Status"] == "exited"
    time.sleep(0.3)
    assert state(cli, container)["Status"] == "exited"


def test_times_in_inspect(cli: CommandLine) -> None:
    container = cli.out("create", "busybox", "true")
    assert state(cli, container)["StartedAt"] == "0001-01-01T00:00:00Z"
    cli("start", "-a", container)
    now = state(cli, container)
    assert str(now["StartedAt"]) < str(now["FinishedAt"])
    assert now["Pid"] == 0


@pytest.mark.parametrize("how", ["id", "short", "name"])
def test_every_way_to_name_a_container(cli: CommandLine, how: str) -> None:
    container = cli.out("create", "--name", "ship", "busybox")
    name = {"id": container, "short": container[:7], "name": "ship"}[how]
    assert cli.out("inspect", "-f", "{{.Id}}", name) == container


def test_attach_gets_what_comes_and_the_exit_code(cli: CommandLine) -> None:
    container = cli.out(
        "run", "-d", "-i", "busybox", "sh", "-c", "while read x; do echo got $x; [ $x = b ] && exit 4; done"
    )
    done = cli("attach", container, input="a\nb\n", check=False)
    assert (done.stdout, done.returncode) == ("got a\ngot b\n", 4)
