# SPDX-License-Identifier: Apache-2.0
"""`top`, `stats` and `update`: what goes on in a container, and what it may use."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.engine_process import CommandLine, wait_until

MIB = 1 << 20
BUSY = "while :; do :; done"


@pytest.fixture
def busy(cli: CommandLine) -> str:
    """A container that uses one processor."""
    return cli.out(
        "run", "-d", "--name", "busy", "-m", "64m", "--pids-limit", "50", "busybox", "sh", "-c", BUSY
    )


def test_top_lists_the_processes(cli: CommandLine) -> None:
    container = cli.out("run", "-d", "busybox", "sh", "-c", "sleep 611 & exec sleep 612")

    def rows() -> dict[str, list[str]]:
        titles, *rows = [line.split() for line in cli.out("top", container).splitlines()]
        assert titles == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
        return {" ".join(row[7:]): row for row in rows}

    wait_until(lambda: set(rows()) == {"sleep 611", "sleep 612"}, "both programs are there")
    by_command = rows()
    pid = cli.out("inspect", "-f", "{{.State.Pid}}", container)
    assert by_command["sleep 612"][:2] == ["root", pid]
    assert by_command["sleep 611"][2] == pid


def test_top_takes_options_of_ps(cli: CommandLine) -> None:
    container = cli.out("run", "-dt", "--user", "12345", "busybox", "sleep", "613")
    titles, row = [line.split() for line in cli.out("top", container, "-o", "pid,user,tty,args").splitlines()]
    assert titles == ["PID", "USER", "TT", "COMMAND"]
    assert row[1:] == ["12345", "pts/0", "sleep", "613"]
    assert "%CPU" in cli.out("top", container, "aux")
    assert "unsupported option -Z" in cli.fails(1, "top", container, "-Z")


def test_top_needs_a_running_container(cli: CommandLine) -> None:
    container = cli.out("create", "busybox")
    assert f"container {container} is not running" in cli.fails(1, "top", container)


def test_stats_are_plausible(cli: CommandLine, busy: str) -> None:
    line = json.loads(cli.out("stats", "--no-stream", "--format", "json", busy))
    assert line["Name"] == "busy"
    assert 1 < float(line["CPUPerc"].rstrip("%")) < 130  # one busy processor, less what other programs take
    assert line["MemUsage"].endswith("/ 64MiB")
    assert 0 < float(line["MemPerc"].rstrip("%")) < 100
    assert line["PIDs"] == "1"


def test_stats_of_all_that_runs(cli: CommandLine, busy: str) -> None:
    cli("create", "--name", "idle", "busybox")
    assert cli.out("stats", "--no-stream", "--format", "{{.Name}}") == "busy"
    names = cli.out("stats", "-a", "--no-stream", "--format", "{{.Name}}").split()
    assert set(names) >= {"busy", "idle"} or cli.name == "docker"
    assert busy


def get(cli: CommandLine, path: str, lines: int) -> Iterator[dict[str, object]]:
    """The JSON objects that the engine streams."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(20)
        sock.connect(str(cli.engine.socket))
        sock.sendall(f"GET {path} HTTP/1.0\r\nHost: x\r\n\r\n".encode())
        with sock.makefile("rb") as answer:
            assert b" 200 " in answer.readline()
            while answer.readline().strip():
                pass
            for _ in range(lines):
                yield json.loads(answer.readline())


def test_a_stream_of_stats_compares_with_the_sample_before(cli: CommandLine, busy: str) -> None:
    first, second = get(cli, f"/containers/{busy}/stats", 2)
    assert first["preread"] == "0001-01-01T00:00:00Z"
    assert second["preread"] == first["read"]
    assert second["precpu_stats"] == first["cpu_stats"]
    assert second["pids_stats"] == {"current": 1, "limit": 50}


def test_one_shot_answers_at_once_and_one_sample_alone_is_compared(cli: CommandLine, busy: str) -> None:
    (once,) = get(cli, f"/containers/{busy}/stats?stream=0&one-shot=1", 1)
    assert once["preread"] == "0001-01-01T00:00:00Z"
    (primed,) = get(cli, f"/containers/{busy}/stats?stream=0", 1)
    before, after = (primed[name]["cpu_usage"]["total_usage"] for name in ("precpu_stats", "cpu_stats"))  # type: ignore[index]
    assert 0 < before < after


def test_network_and_disk_are_counted(cli: CommandLine) -> None:
    script = "ping -c 3 -s 1000 -i 0.2 $(ip route | sed -n 's/default via \\([^ ]*\\).*/\\1/p'); sleep 600"
    container = cli.out("run", "-d", "--name", "talker", "busybox", "sh", "-c", script)

    def sent() -> int:
        (sample,) = get(cli, f"/containers/{container}/stats?stream=0&one-shot=1", 1)
        return sample["networks"]["eth0"]["tx_bytes"]  # type: ignore[index, no-any-return]

    wait_until(lambda: sent() >= 3000, "three packets are counted")


def test_stats_of_what_does_not_run(cli: CommandLine) -> None:
    cli("create", "--name", "still", "busybox")
    line = json.loads(cli.out("stats", "--no-stream", "--format", "json", "still"))
    assert (line["CPUPerc"], line["PIDs"]) == ("0.00%", "0")
    assert "No such container: nobody" in cli.fails(1, "stats", "--no-stream", "nobody")


def control_file(container: str, controller: str, name: str) -> str:
    """A limit of the container as the kernel has it (cgroup v1)."""
    return Path(f"/sys/fs/cgroup/{controller}/sampan/{container}/{name}").read_text().strip()


def test_update_changes_limits_of_what_runs(cli: CommandLine, busy: str) -> None:
    flags = ["-m", "128m", "--cpus", "0.5", "--pids-limit", "77", "--cpu-shares", "300", "--cpuset-cpus", "0"]
    assert cli.out("update", *flags, "busy") == "busy"
    assert control_file(busy, "memory", "memory.limit_in_bytes") == str(128 * MIB)
    assert control_file(busy, "cpu", "cpu.cfs_quota_us") == "50000"
    assert control_file(busy, "cpu", "cpu.shares") == "300"
    assert control_file(busy, "pids", "pids.max") == "77"
    pid = cli.out("inspect", "-f", "{{.State.Pid}}", busy)
    assert os.sched_getaffinity(int(pid)) == {0}
    cli("update", "-m", "96m", "--pids-limit", "-1", "busy")
    assert control_file(busy, "memory", "memory.limit_in_bytes") == str(96 * MIB)
    assert control_file(busy, "pids", "pids.max") == "max"
    assert control_file(busy, "cpu", "cpu.shares") == "300", "what was not named stays"
    cli("rm", "-f", "busy")
    wait_until(lambda: not list(Path("/sys/fs/cgroup").glob(f"*/sampan/{busy}")), "no group is left")


def test_update_is_remembered(cli: CommandLine) -> None:
    container = cli.out("create", "busybox", "sleep", "600")
    cli("update", "-m", "32m", "--restart", "on-failure:3", container)
    shown = cli.out("inspect", "-f", "{{.HostConfig.Memory}} {{json .HostConfig.RestartPolicy}}", container)
    memory, policy = shown.split(" ", 1)
    assert int(memory) == 32 * MIB
    assert json.loads(policy) == {"Name": "on-failure", "MaximumRetryCount": 3}
    cli("start", container)
    assert control_file(container, "memory", "memory.limit_in_bytes") == str(32 * MIB)


def test_update_of_the_restart_policy_takes_effect(cli: CommandLine) -> None:
    container = cli.out("run", "-d", "busybox", "sleep", "600")
    cli("update", "--restart", "always", container)
    pid = int(cli.out("inspect", "-f", "{{.State.Pid}}", container))
    os.kill(pid, 9)
    wait_until(
        lambda: cli.out("inspect", "-f", "{{.RestartCount}}", container) == "1", "it was started again"
    )


def test_update_refuses_what_contradicts(cli: CommandLine) -> None:
    container = cli.out("run", "-d", "--rm", "--cpus", "1", "busybox", "sleep", "600")
    error = cli.fails(1, "update", "--cpu-quota", "10000", container)
    assert "CPU Quota cannot be updated as NanoCPUs has already been set" in error
    assert "AutoRemove is enabled" in cli.fails(1, "update", "--restart", "always", container)
    assert "Minimum memory limit allowed is 6MB" in cli.fails(1, "update", "-m", "1m", container)
    other = cli.out("create", "busybox")
    assert "invalid restart policy" in cli.fails(1, "update", "--restart", "sometimes", other)
    assert cli.out("inspect", "-f", "{{.HostConfig.Memory}} {{.HostConfig.CpuQuota}}", container) == "0 0"
