# SPDX-License-Identifier: Apache-2.0
"""Limits that reach the kernel, and those that are refused or lowered with a word about it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from integration.engine_process import CommandLine, EngineProcess


@pytest.fixture
def disk() -> str:
    """The block device of some disk; every machine with a file system on one has it."""
    for name in sorted(os.listdir("/sys/block")):
        path = f"/dev/{name}"
        if (
            not name.startswith(("zram", "ram"))
            and os.path.exists(path)
            and stat.S_ISBLK(os.stat(path).st_mode)
        ):
            return path
    raise AssertionError("this machine has no disk")


def own_group(engine: EngineProcess, controller: str, container: str) -> Path:
    pid = engine.out("inspect", "-f", "{{.State.Pid}}", container)
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return Path(f"/sys/fs/cgroup/{controllers}{path}")
    return Path(f"/sys/fs/cgroup{path}")


def test_speed_limits_of_a_disk(cli: CommandLine, disk: str) -> None:
    flags = ["--device-read-bps", f"{disk}:1mb", "--device-write-iops", f"{disk}:100"]
    container = cli.out("run", "-d", *flags, "busybox", "sleep", "600")
    device = os.stat(disk).st_rdev
    numbers = f"{os.major(device)}:{os.minor(device)}"
    group = own_group(cli.engine, "blkio", container)
    if (group / "io.max").exists():
        assert f"{numbers} rbps=1048576 wbps=max riops=max wiops=100" in (group / "io.max").read_text()
    else:
        assert f"{numbers} 1048576" in (group / "blkio.throttle.read_bps_device").read_text()
        assert f"{numbers} 100" in (group / "blkio.throttle.write_iops_device").read_text()


def test_speed_limits_need_a_disk(cli: CommandLine) -> None:
    # Docker's command line takes any "no such file or directory" for a missing program.
    code = 127 if cli.name == "docker" else 125
    error = cli.fails(code, "run", "--rm", "--device-read-bps", "/dev/nowhere:1mb", "busybox", "true")
    assert "/dev/nowhere: no such file or directory" in error
    assert "not a block device" in cli.fails(
        125, "run", "--device-write-bps", "/dev/null:1mb", "busybox", "true"
    )


def test_a_ulimit_above_the_engines_own_is_lowered_with_a_warning(cli: CommandLine) -> None:
    hard = cli.out("run", "--rm", "busybox", "sh", "-c", "ulimit -Hn")
    wanted = int(hard) + 1 if hard != "unlimited" else -1
    done = cli(
        "run", "--rm", "--ulimit", f"nofile=100:{wanted}", "busybox", "sh", "-c", "ulimit -Sn; ulimit -Hn"
    )
    assert done.stdout.split() in (["100", hard], ["100", str(wanted)])
    if done.stdout.split()[1] == hard:
        assert (
            f"ulimit nofile: {wanted} is above what this engine may set: {hard} is used instead"
            in done.stderr
        )


def test_the_cpus_must_be_there(cli: CommandLine) -> None:
    assert (
        cli.out(
            "run", "--rm", "--cpuset-cpus", "0", "busybox", "grep", "Cpus_allowed_list", "/proc/self/status"
        ).split()[1]
        == "0"
    )
    error = cli.fails(125, "run", "--rm", "--cpuset-cpus", "0,4000", "busybox", "true")
    assert "Requested CPUs are not available - requested 0,4000, available: 0" in error
    assert "Invalid value some for cpuset cpus" in cli.fails(
        125, "run", "--cpuset-cpus", "some", "busybox", "true"
    )


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--sysctl", "kernel.msgmax=x", "--ipc", "host"], "not allowed in the hosts ipc namespace"),
        (["--sysctl", "net.ipv4.ip_forward=1", "--network", "host"], "not allowed in host network namespace"),
        (["--oom-score-adj", "1001"], "range for oom score adj is [-1000, 1000]"),
        (["--gpus", "all"], 'could not select device driver "" with capabilities: [[gpu]]'),
        (["--device", "vendor.com/gpu=all"], "unresolvable CDI devices vendor.com/gpu=all"),
        (["--memory", "1m"], "Minimum memory limit allowed is 6MB"),
        (["--memory", "64m", "--memory-swap", "32m"], "Minimum memoryswap limit should be larger"),
        (["--blkio-weight", "5"], "Range of blkio weight is from 10 to 1000"),
    ],
)
def test_refused(cli: CommandLine, flags: list[str], message: str) -> None:
    assert message in cli.fails(125, "run", "--rm", *flags, "busybox", "true")


def test_swap_is_what_memory_leaves_of_it(cli: CommandLine) -> None:
    container = cli.out("run", "-d", "--memory", "64m", "--memory-swap", "96m", "busybox", "sleep", "600")
    group = own_group(cli.engine, "memory", container)
    if (group / "memory.swap.max").exists():
        assert (group / "memory.swap.max").read_text().strip() == str(32 << 20)
    elif (group / "memory.memsw.limit_in_bytes").exists():
        assert (group / "memory.memsw.limit_in_bytes").read_text().strip() == str(96 << 20)
    assert cli.out("inspect", "-f", "{{.HostConfig.MemorySwap}}", container) == str(96 << 20)


def test_score_shared_memory_and_parameters(cli: CommandLine) -> None:
    flags = ["--oom-score-adj", "321", "--shm-size", "1m", "--sysctl", "kernel.msgmax=4096"]
    script = "cat /proc/self/oom_score_adj /proc/sys/kernel/msgmax; df -k /dev/shm | tail -n 1"
    lines = cli.out("run", "--rm", *flags, "busybox", "sh", "-c", script).splitlines()
    assert lines[:2] == ["321", "4096"]
    assert lines[2].split()[1] == "1024"


def test_device_rules_decide_what_may_be_opened(cli: CommandLine) -> None:
    script = "mknod /tmp/fuse c 10 229; exec 3<>/tmp/fuse && echo opened"
    allowed = ["--device-cgroup-rule", "c 10:229 rwm"]
    assert cli.out("run", "--rm", *allowed, "busybox", "sh", "-c", script) == "opened"
    done = cli("run", "--rm", "busybox", "sh", "-c", script, check=False)
    assert "Operation not permitted" in done.stderr
