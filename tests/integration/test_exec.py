# SPDX-License-Identifier: Apache-2.0
"""`exec`: a second program in a running container."""

from __future__ import annotations

import contextlib
import json

import pytest

from integration.engine_process import CommandLine, wait_until


@pytest.fixture
def ship(cli: CommandLine) -> str:
    return cli.out("run", "-d", "--name", "ship", "-e", "FROM=run", "-w", "/home", "busybox", "sleep", "100")


def test_streams_and_exit_code(cli: CommandLine, ship: str) -> None:
    done = cli("exec", ship, "sh", "-c", "echo out; echo err >&2; exit 9", check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 9)


def test_stdin(cli: CommandLine, ship: str) -> None:
    data = bytes(range(256)) * 4096
    assert cli("exec", "-i", ship, "cat", input=data, text=False).stdout == data  # type: ignore[comparison-overlap]


def test_it_sees_what_the_container_has(cli: CommandLine, ship: str) -> None:
    script = "echo $FROM $(pwd) $(hostname); ps | grep -c '[s]leep 100'"
    assert cli.out("exec", ship, "sh", "-c", script).split() == ["run", "/home", ship[:12], "1"]


def test_environment_folder_and_user(cli: CommandLine, ship: str) -> None:
    script = "echo $NEW $FROM $(pwd) $(id -u):$(id -G)"
    out = cli.out("exec", "-e", "NEW=x", "-w", "/tmp", "-u", "user", ship, "sh", "-c", script)
    assert out == "x run /tmp 1000:1000 2000"


def test_environment_file(cli: CommandLine, ship: str, tmp_path: object) -> None:
    path = f"{tmp_path}/env"
    with open(path, "w") as file:
        file.write("A=1\n")
    assert cli.out("exec", "--env-file", path, ship, "sh", "-c", "echo $A") == "1"


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["frobnicate"], 127, "executable file not found in $PATH"),
        (["/no/such"], 127, "no such file or directory"),
        (["/etc/passwd"], 126, "permission denied"),
    ],
)
def test_what_cannot_run(cli: CommandLine, ship: str, args: list[str], code: int, said: str) -> None:
    done = cli("exec", ship, *args, check=False)
    assert done.returncode == code, done
    assert said in done.stdout + done.stderr


def test_death_by_signal(cli: CommandLine, ship: str) -> None:
    cli.fails(137, "exec", ship, "sh", "-c", "kill -9 $$")
    cli.fails(143, "exec", ship, "sh", "-c", "kill -TERM $$")


def test_detached(cli: CommandLine, ship: str) -> None:
    assert cli.out("exec", "-d", ship, "sh", "-c", "echo done >/tmp/mark; sleep 50") == ""
    wait_until(lambda: "done" in cli("exec", ship, "cat", "/tmp/mark", check=False).stdout, "it ran")


def test_unknown_user(cli: CommandLine, ship: str) -> None:
    done = cli("exec", "-u", "ghost", ship, "true", check=False)
    assert done.returncode == 126
    assert "unable to find user ghost: no matching entries in passwd file" in done.stdout + done.stderr


def test_privileged(cli: CommandLine, ship: str) -> None:
    line = cli.out("exec", "--privileged", ship, "grep", "CapEff", "/proc/self/status")
    assert int(line.split()[1], 16) > 0xA80425FB
    plain = cli.out("exec", ship, "grep", "CapEff", "/proc/self/status")
    assert int(plain.split()[1], 16) == 0xA80425FB


def test_the_container_must_run(cli: CommandLine, ship: str) -> None:
    assert "No such container: nothing" in cli.fails(1, "exec", "nothing", "true")
    cli("kill", ship)
    cli("wait", ship)
    assert f"container {ship} is not running" in cli.fails(1, "exec", ship, "true")


def test_same_isolation_as_the_container(cli: CommandLine, ship: str) -> None:
    for kind in ("mnt", "pid", "net", "ipc", "uts", "cgroup"):
        link = f"/proc/self/ns/{kind}"
        assert cli.out("exec", ship, "readlink", link) == cli.out(
            "exec", ship, "readlink", f"/proc/1/ns/{kind}"
        )
    seccomp = cli.out("exec", ship, "grep", "Seccomp:", "/proc/self/status")
    assert seccomp.split()[1] == "2"


def test_limits_count_for_exec_too(cli: CommandLine) -> None:
    container = cli.out("run", "-d", "--pids-limit", "3", "busybox", "sleep", "100")
    done = cli("exec", container, "sh", "-c", "sleep 1 & sleep 1 & sleep 1 & wait", check=False)
    assert "can't fork" in done.stderr


def test_execs_end_with_the_container(cli: CommandLine, ship: str) -> None:
    with cli.running("exec", ship, "sh", "-c", "echo ready; sleep 100") as client:
        assert client.stdout
        assert client.stdout.readline() == b"ready\n"
        cli("kill", ship)
        assert client.wait(20) == 137


def test_many_at_once(cli: CommandLine, ship: str) -> None:
    with contextlib.ExitStack() as stack:
        clients = [
            stack.enter_context(cli.running("exec", ship, "sh", "-c", f"echo {i}; exit {i}"))
            for i in range(8)
        ]
        for index, client in enumerate(clients):
            out, _ = client.communicate(timeout=30)
            assert (out, client.returncode) == (f"{index}\n".encode(), index)
    assert json.loads(cli.out("inspect", "-f", "{{json .ExecIDs}}", ship)) in (None, [])


def test_it_has_the_limits_and_groups_of_the_container(cli: CommandLine) -> None:
    flags = ("--ulimit", "nofile=300:400", "--oom-score-adj", "300", "--group-add", "2000", "-u", "1000")
    cli("run", "-d", "--name", "limited", *flags, "busybox", "sleep", "100")
    script = "ulimit -Sn; ulimit -Hn; cat /proc/self/oom_score_adj; id -G"
    assert cli.out("exec", "limited", "sh", "-c", script).split("\n") == ["300", "400", "300", "1000 2000"]
