# SPDX-License-Identifier: Apache-2.0
"""Limits that bite, pausing, and figures, on whatever control groups this machine has."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernel.runtime_bundle import Bundle, wait
from sampan.errors import Unsupported
from sampan.linux.cgroup_limits import apply_limits
from sampan.linux.cgroup_stats import read_stats


@pytest.fixture
def bundle(tmp_path: Path) -> Iterator[Bundle]:
    bundle = Bundle(tmp_path / "bundle")
    yield bundle
    bundle.close()


def test_a_fork_bomb_is_bounded(bundle: Bundle) -> None:
    spec = bundle.spec("sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do sleep 1000 & done; echo all")
    spec["linux"]["resources"]["pids"] = {"limit": 5}
    outcome = bundle.run(spec=spec)
    assert "all" not in outcome.out
    assert "can't fork" in outcome.err


def test_using_too_much_memory_is_an_oom_kill_that_is_reported(bundle: Bundle) -> None:
    spec = bundle.spec("sh", "-c", "dd if=/dev/zero of=/dev/shm/x bs=1M count=60; tail /dev/zero")
    spec["mounts"][3]["options"][-1] = "size=100m"
    spec["linux"]["resources"]["memory"] = {"limit": 32 << 20, "swap": 32 << 20}
    outcome = bundle.run(spec=spec)
    assert outcome.code == 137
    assert outcome.oom_kills >= 1
    assert outcome.warnings == []


def test_a_container_that_behaves_has_no_oom_kill(bundle: Bundle) -> None:
    assert bundle.run("true").oom_kills == 0


def test_limits_are_seen_from_inside(bundle: Bundle) -> None:
    spec = bundle.spec(
        "cat", "/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/cpu/cpu.cfs_quota_us",
        "/sys/fs/cgroup/cpu/cpu.shares", "/sys/fs/cgroup/pids/pids.max",
    )  # fmt: skip
    if not Path("/sys/fs/cgroup/memory").exists():
        spec["process"]["args"] = [
            "cat",
            *(f"/sys/fs/cgroup/{n}" for n in ("memory.max", "cpu.max", "cpu.weight", "pids.max")),
        ]
    spec["linux"]["resources"] |= {
        "memory": {"limit": 64 << 20},
        "cpu": {"quota": 50000, "period": 100000, "shares": 512},
        "pids": {"limit": 77},
    }
    lines = bundle.run(spec=spec).lines
    assert lines[0] == str(64 << 20)
    assert lines[1].startswith("50000")
    assert lines[3] == "77"


def test_processors_can_be_chosen(bundle: Bundle) -> None:
    spec = bundle.spec("grep", "Cpus_allowed_list", "/proc/self/status")
    spec["linux"]["resources"]["cpu"] = {"cpus": "0"}
    assert bundle.run(spec=spec).out.split() == ["Cpus_allowed_list:", "0"]


def test_limits_can_be_changed_up_and_down_later(bundle: Bundle) -> None:
    spec = bundle.spec("sleep", "1000")
    spec["linux"]["resources"]["memory"] = {"limit": 32 << 20, "swap": 32 << 20}
    with bundle.running(spec=spec) as container:
        for size in (64 << 20, 16 << 20):
            resources = {"memory": {"limit": size, "swap": size}}
            assert apply_limits(container.cgroup, resources, devices=False) == []
            assert read_stats(container.cgroup).memory_limit_bytes == size


def test_pausing_stops_all_and_resuming_lets_them_go_on(bundle: Bundle) -> None:
    with bundle.running("sh", "-c", "while :; do :; done") as container:
        group = container.cgroup
        group.freeze()
        assert group.is_frozen()
        before = read_stats(group).cpu_total_ns
        assert read_stats(group).cpu_total_ns == before
        group.thaw()
        assert not group.is_frozen()
        while read_stats(group).cpu_total_ns == before:
            pass


def test_kill_reaches_all_even_what_has_left_its_session(bundle: Bundle) -> None:
    with bundle.running("sh", "-c", "setsid sleep 1000 & sleep 1000") as container:
        group = container.cgroup
        group.kill()
        assert wait(container.init.pid, container.init.pidfd) == 137
        while group.pids():
            pass


def test_figures_are_plausible(bundle: Bundle) -> None:
    spec = bundle.spec("sh", "-c", "dd if=/dev/zero of=/dev/shm/x bs=1M count=8 2>&1; sleep 1000")
    spec["linux"]["resources"] |= {"memory": {"limit": 64 << 20}, "pids": {"limit": 20}}
    with bundle.running(spec=spec) as container:
        while (stats := read_stats(container.cgroup)).memory_bytes < 8 << 20:
            pass
        assert stats.memory_bytes <= stats.memory_limit_bytes == 64 << 20
        assert stats.pids >= 1
        assert stats.pids_limit == 20
        assert stats.cpu_total_ns > 0
        assert stats.memory_stat
        assert stats.oom_kills == 0


def test_groups_made_by_the_container_go_with_it(bundle: Bundle) -> None:
    spec = bundle.spec("sh", "-c", "mkdir -p /sys/fs/cgroup/cpu/a/b /sys/fs/cgroup/a/b; sleep 1000")
    for entry in spec["mounts"]:
        if entry["type"] == "cgroup":
            entry["options"].remove("ro")
    with bundle.running(spec=spec) as container:
        inner = [f"{path}/a/b" for path in container.cgroup.directories()]
        while not any(os.path.isdir(path) for path in inner):
            pass


def test_scheduling_and_personality_are_the_configs(bundle: Bundle) -> None:
    spec = bundle.spec(
        "sh",
        "-c",
        "busybox uname -m; busybox awk '{print $19, $41}' /proc/self/stat; busybox ionice -p $$; true",
    )
    spec["process"] |= {
        "scheduler": {"policy": "SCHED_BATCH", "nice": 7},
        "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 6},
    }
    spec["linux"]["personality"] = {"domain": "LINUX32"}
    lines = bundle.run(spec=spec).lines
    assert lines == [
        "i686" if os.uname().machine == "x86_64" else os.uname().machine,
        "7 3",
        "best-effort: prio 6",
    ]


@pytest.mark.parametrize(
    "change", [{"mountLabel": "x"}, {"intelRdt": {"closID": "x"}}, {"cgroupsPath": "a.slice:b:c"}]
)
def test_what_is_not_supported_is_refused(bundle: Bundle, change: dict[str, object]) -> None:
    spec = bundle.spec("true")
    spec["linux"] |= change
    with pytest.raises(Unsupported, match=next(iter(change))):
        bundle.run(spec=spec)
