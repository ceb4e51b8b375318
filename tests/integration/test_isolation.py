# SPDX-License-Identifier: Apache-2.0
"""Isolation asserted from inside, through the whole stack, with default settings."""

from __future__ import annotations

import os
import socket

import pytest

from integration.engine_process import EngineProcess

MASKED = ("/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware")
READ_ONLY = ("/proc/sys/kernel/hostname", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus")


def inside(engine: EngineProcess, script: str, *flags: str) -> list[str]:
    return engine.out("run", "--rm", *flags, "busybox", "sh", "-c", script).splitlines()


def test_only_its_own_processes(engine: EngineProcess) -> None:
    lines = inside(engine, "ps -o pid,args")
    assert [line.split()[0] for line in lines[1:]] == ["1", "2"] or len(lines) == 2


@pytest.mark.parametrize("kind", ["mnt", "pid", "net", "ipc", "uts", "cgroup"])
def test_namespaces_of_its_own(engine: EngineProcess, kind: str) -> None:
    assert inside(engine, f"readlink /proc/self/ns/{kind}") != [os.readlink(f"/proc/self/ns/{kind}")]


def test_hosts_files_are_not_there(engine: EngineProcess) -> None:
    assert inside(engine, "ls -d /work /root/.ssh /var/lib 2>/dev/null; true") == []


def test_mounts_do_not_show_in_the_host(engine: EngineProcess) -> None:
    container = engine.out("run", "-d", "busybox", "sleep", "60")
    with open("/proc/self/mounts") as mounts:
        assert container not in mounts.read()


def test_hostname_is_private(engine: EngineProcess) -> None:
    before = socket.gethostname()
    inside(engine, "hostname changed", "--privileged")
    assert socket.gethostname() == before


@pytest.mark.parametrize("path", MASKED)
def test_masked_paths_show_nothing(engine: EngineProcess, path: str) -> None:
    script = f"if [ -d {path} ]; then ls {path} | wc -l; elif [ -e {path} ]; then cat {path} | wc -c; else echo 0; fi"
    assert inside(engine, script) == ["0"]


@pytest.mark.parametrize("path", READ_ONLY)
def test_read_only_paths_refuse(engine: EngineProcess, path: str) -> None:
    script = f"if [ -d {path} ]; then touch {path}/x; else echo x > {path}; fi"
    done = engine.sampan("run", "--rm", "busybox", "sh", "-c", script, check=False)
    assert done.returncode != 0
    assert "ead-only file system" in done.stderr or "nonexistent" in done.stderr or "No such" in done.stderr


def test_devices_are_dockers(engine: EngineProcess) -> None:
    assert set(inside(engine, "ls /dev")) == {
        *(["core"] if os.path.exists("/proc/kcore") else []),
        *("fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm"),
        *("stderr", "stdin", "stdout", "tty", "urandom", "zero"),
    }


def test_a_device_made_inside_cannot_be_opened(engine: EngineProcess) -> None:
    done = engine.sampan("run", "--rm", "busybox", "sh", "-c", "mknod /d b 8 0 && cat /d", check=False)
    assert "Operation not permitted" in done.stderr


def test_cgroups_are_read_only_and_its_own(engine: EngineProcess) -> None:
    lines = inside(engine, "cut -d: -f3 /proc/self/cgroup | sort -u")
    assert lines == ["/"]
    done = engine.sampan(
        "run",
        "--rm",
        "busybox",
        "sh",
        "-c",
        "mkdir /sys/fs/cgroup/x || mkdir /sys/fs/cgroup/pids/x",
        check=False,
    )
    assert done.returncode != 0


def test_seccomp_filters(engine: EngineProcess) -> None:
    assert inside(engine, "grep Seccomp: /proc/self/status") == ["Seccomp:\t2"]
    assert inside(engine, "grep Seccomp: /proc/self/status", "--security-opt", "seccomp=unconfined") == [
        "Seccomp:\t0"
    ]
    done = engine.sampan("run", "--rm", "busybox", "unshare", "-r", "true", check=False)
    assert "Operation not permitted" in done.stderr


def test_no_descriptors_leak_into_the_program(engine: EngineProcess) -> None:
    assert inside(engine, "ls /proc/self/fd | sort -n | tr '\\n' ' '")[0].split()[:3] == ["0", "1", "2"]
    assert len(inside(engine, "ls /proc/1/fd")) <= 4


def test_no_environment_leaks_into_the_program(engine: EngineProcess) -> None:
    names = {line.partition("=")[0] for line in inside(engine, "env")}
    assert names <= {"PATH", "HOME", "HOSTNAME", "PWD", "SHLVL", "OLDPWD", "_"}


def test_the_mount_of_the_root_is_an_overlay_of_its_own(engine: EngineProcess) -> None:
    engine.sampan("run", "--rm", "busybox", "touch", "/etc/left-behind")
    assert inside(engine, "ls /etc/left-behind 2>&1; true")[0].endswith("No such file or directory")


def test_limits_of_processes_are_set(engine: EngineProcess) -> None:
    assert inside(engine, "cat /proc/self/oom_score_adj") == ["0"]
    assert int(inside(engine, "umask")[0], 8) == 0o22
