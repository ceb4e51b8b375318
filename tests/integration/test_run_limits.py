# SPDX-License-Identifier: Apache-2.0
"""`run`: limits that bite and privileges that are really there or really not."""

from __future__ import annotations

import pytest

from integration.engine_process import CommandLine, EngineProcess, wait_until

DEFAULT_CAPABILITIES = "00000000a80425fb"


def test_out_of_memory_is_137_and_recorded(cli: CommandLine) -> None:
    eat = "x=$(head -c 100000000 /dev/zero | tr '\\0' x); echo survived"
    flags = ["--memory", "20m", "--memory-swap", "20m", "--name", "hungry"]
    done = cli("run", *flags, "busybox", "sh", "-c", eat, check=False)
    assert done.returncode == 137, done
    assert cli.out("inspect", "-f", "{{.State.OOMKilled}} {{.State.ExitCode}}", "hungry") == "true 137"


def test_limits_seen_in_the_record(cli: CommandLine) -> None:
    container = cli.out(
        "run", "-d", "--cpus", "0.5", "--memory", "64m", "--pids-limit", "10", "busybox", "sleep", "60"
    )
    form = "{{.HostConfig.NanoCpus}} {{.HostConfig.Memory}} {{.HostConfig.PidsLimit}}"
    assert cli.out("inspect", "-f", form, container) == f"500000000 {64 << 20} 10"


def test_cpus_are_a_quota_seen_from_inside(engine: EngineProcess) -> None:
    quota = "cat /sys/fs/cgroup/cpu.max 2>/dev/null || cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us"
    assert engine.out("run", "--rm", "--cpus", "0.2", "busybox", "sh", "-c", quota).split()[0] == "20000"


def test_pids_limit_bites(cli: CommandLine) -> None:
    forks = "for i in 1 2 3 4 5 6 7 8; do sleep 5 & done; wait"
    done = cli("run", "--rm", "--pids-limit", "4", "busybox", "sh", "-c", forks, check=False)
    assert "can't fork" in done.stderr
    assert done.returncode != 0


def capabilities(cli: CommandLine, *flags: str) -> int:
    line = cli.out("run", "--rm", *flags, "busybox", "grep", "CapBnd", "/proc/self/status")
    return int(line.split()[1], 16)


def test_default_capabilities_are_dockers_fourteen(cli: CommandLine) -> None:
    assert capabilities(cli) == int(DEFAULT_CAPABILITIES, 16)


def test_capabilities_added_and_dropped(cli: CommandLine) -> None:
    assert (
        capabilities(cli, "--cap-add", "SYS_TIME", "--cap-drop", "CHOWN")
        == (int(DEFAULT_CAPABILITIES, 16) | 1 << 25) & ~1
    )
    assert capabilities(cli, "--cap-drop", "ALL", "--cap-add", "CAP_NET_BIND_SERVICE") == 1 << 10


def test_a_dropped_capability_is_missed(cli: CommandLine) -> None:
    done = cli("run", "--rm", "--cap-drop", "chown", "busybox", "chown", "user", "/tmp", check=False)
    assert done.returncode == 1
    assert "Operation not permitted" in done.stderr


def test_unknown_capability(cli: CommandLine) -> None:
    assert "BREAK_ALL" in cli.fails(125, "run", "--rm", "--cap-add", "BREAK_ALL", "busybox", "true")


def test_privileged_may_mount_and_sees_devices(cli: CommandLine) -> None:
    script = "mkdir /m && mount -t tmpfs none /m && [ -e /dev/full ] && ls /dev | wc -l"
    assert int(cli.out("run", "--rm", "--privileged", "busybox", "sh", "-c", script)) > 20
    assert cli("run", "--rm", "busybox", "sh", "-c", script, check=False).returncode != 0


def test_read_only_root(cli: CommandLine) -> None:
    done = cli("run", "--rm", "--read-only", "busybox", "touch", "/x", check=False)
    assert done.returncode == 1
    assert "Read-only file system" in done.stderr
    cli(
        "run",
        "--rm",
        "--read-only",
        "--tmpfs",
        "/t",
        "-v",
        "/vol",
        "busybox",
        "touch",
        "/t/x",
        "/vol/x",
        "/dev/shm/x",
    )


def test_tmpfs_with_options(cli: CommandLine) -> None:
    flags = ["--tmpfs", "/t:size=1m,mode=1777"]
    line = cli.out("run", "--rm", *flags, "busybox", "grep", " /t ", "/proc/mounts")
    assert line.split()[2] == "tmpfs"
    assert "size=1024k" in line
    done = cli(
        "run", "--rm", *flags, "busybox", "dd", "if=/dev/zero", "of=/t/big", "bs=1M", "count=2", check=False
    )
    assert "No space left" in done.stderr


def test_init_reaps_orphans(cli: CommandLine) -> None:
    script = "(sleep 0.1 & ) ; (sleep 0.1 &); sleep 0.5; ps -o stat,comm | grep -c '^Z' ; cat /proc/1/comm"
    zombies, first = cli.out("run", "--rm", "--init", "busybox", "sh", "-c", script).split()
    assert zombies == "0"
    assert first != "sh"
    kept = cli.out("run", "--rm", "busybox", "cat", "/proc/1/comm")
    assert kept == "cat"


def test_init_passes_signals_on(cli: CommandLine) -> None:
    script = "trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done"
    container = cli.out("run", "-d", "--init", "busybox", "sh", "-c", script)
    wait_until(lambda: "ready" in cli.out("logs", container), "the trap is set")
    cli("stop", container)
    assert cli.out("wait", container) == "5"


def test_no_new_privileges_and_ulimits(cli: CommandLine) -> None:
    flags = ["--security-opt", "no-new-privileges", "--ulimit", "nofile=77:88"]
    script = "grep NoNewPrivs /proc/self/status; ulimit -n; ulimit -Hn"
    assert cli.out("run", "--rm", *flags, "busybox", "sh", "-c", script).split() == [
        "NoNewPrivs:",
        "1",
        "77",
        "88",
    ]


def test_sysctl_shm_and_group_add(cli: CommandLine) -> None:
    flags = ["--sysctl", "net.ipv4.ip_unprivileged_port_start=99", "--shm-size", "2m", "--group-add", "2000"]
    script = "cat /proc/sys/net/ipv4/ip_unprivileged_port_start; df -k /dev/shm | tail -1 | awk '{print $2}'; id -G"
    assert cli.out("run", "--rm", *flags, "busybox", "sh", "-c", script).split() == [
        "99",
        "2048",
        "0",
        "2000",
    ]


def test_devices(cli: CommandLine) -> None:
    out = cli.out("run", "--rm", "--device", "/dev/fuse:/dev/fused:r", "busybox", "ls", "/dev/fused")
    assert out == "/dev/fused"


@pytest.mark.parametrize("mode", ["host", "container"])
def test_pid_namespace_modes(cli: CommandLine, mode: str) -> None:
    if mode == "host":
        assert cli.out("run", "--rm", "--pid", "host", "busybox", "cat", "/proc/1/comm") != "cat"
        return
    other = cli.out("run", "-d", "busybox", "sleep", "777")
    seen = cli.out("run", "--rm", "--pid", f"container:{other}", "busybox", "cat", "/proc/1/cmdline")
    assert seen.startswith("sleep\x00777")
