# SPDX-License-Identifier: Apache-2.0
"""Limits as writes, hierarchies out of mountinfo, device rules and their program: all without a kernel."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.linux.cgroup import Cgroup, Hierarchy, parse_hierarchies
from sampan.linux.cgroup_limits import extra_controllers, plan_v1, plan_v2, weight_of_shares
from sampan.linux.cgroup_stats import parse_io_stat
from sampan.linux.device_filter import DeviceRule, compile_filter, plan_v1_writes, reduce_rules

HYBRID = """\
30 25 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
31 30 0:27 / /sys/fs/cgroup/unified rw,nosuid shared:10 - cgroup2 cgroup2 rw,nsdelegate
32 30 0:28 / /sys/fs/cgroup/systemd rw shared:11 - cgroup cgroup rw,xattr,name=systemd
33 30 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:12 - cgroup cgroup rw,cpu,cpuacct
34 30 0:30 / /sys/fs/cgroup/net_cls rw shared:12 - cgroup cgroup rw,net_cls
35 90 0:29 / /elsewhere rw shared:12 - cgroup cgroup rw,cpu,cpuacct
"""


def test_hierarchies_are_read_once_each() -> None:
    found = [(h.version, h.mount_point, h.controllers) for h in parse_hierarchies(HYBRID.splitlines())]
    assert found == [
        (2, "/sys/fs/cgroup/unified", ()),
        (1, "/sys/fs/cgroup/systemd", ("name=systemd",)),
        (1, "/sys/fs/cgroup/cpu,cpuacct", ("cpu", "cpuacct")),
        (1, "/sys/fs/cgroup/net_cls", ("net_cls",)),
    ]


def test_a_container_joins_only_what_it_needs() -> None:
    hierarchies = parse_hierarchies(HYBRID.splitlines())
    group = Cgroup.select("a/b", hierarchies)
    assert [h.name for h in group.hierarchies] == ["unified", "systemd", "cpu,cpuacct"]
    assert [h.name for h in Cgroup.select("a", hierarchies, {"net_cls"}).hierarchies][-1] == "net_cls"
    assert not group.unified
    assert group.find("cpuacct") == "/sys/fs/cgroup/cpu,cpuacct/a/b"
    assert group.find("memory") is None


def test_on_v2_every_controller_is_in_the_one_hierarchy() -> None:
    group = Cgroup("/x", (Hierarchy(2, "/sys/fs/cgroup", ()),))
    assert group.unified
    assert group.find("memory") == group.find("pids") == "/sys/fs/cgroup/x"


RESOURCES: dict[str, Any] = {
    "memory": {"limit": 100, "swap": 150, "reservation": 50, "swappiness": 0, "disableOOMKiller": True},
    "cpu": {"shares": 1024, "quota": 50000, "period": 100000, "cpus": "0-1", "mems": "0"},
    "pids": {"limit": 10},
    "blockIO": {"weight": 500, "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 1000}]},
    "unified": {"memory.high": "90"},
}


def test_limits_on_v1() -> None:
    assert list(plan_v1(RESOURCES)) == [
        ("memory", "memory.limit_in_bytes", "100"),
        ("memory", "memory.memsw.limit_in_bytes", "150"),
        ("memory", "memory.soft_limit_in_bytes", "50"),
        ("memory", "memory.swappiness", "0"),
        ("memory", "memory.oom_control", "1"),
        ("cpu", "cpu.shares", "1024"),
        ("cpu", "cpu.cfs_period_us", "100000"),
        ("cpu", "cpu.cfs_quota_us", "50000"),
        ("cpuset", "cpuset.cpus", "0-1"),
        ("cpuset", "cpuset.mems", "0"),
        ("pids", "pids.max", "10"),
        ("blkio", "blkio.bfq.weight", "500"),
        ("blkio", "blkio.throttle.read_bps_device", "8:0 1000"),
    ]


def test_limits_on_v2() -> None:
    assert list(plan_v2(RESOURCES)) == [
        ("memory", "memory.max", "100"),
        ("memory", "memory.swap.max", "50"),
        ("memory", "memory.low", "50"),
        ("cpu", "cpu.weight", "39"),
        ("cpu", "cpu.max", "50000 100000"),
        ("cpuset", "cpuset.cpus", "0-1"),
        ("cpuset", "cpuset.mems", "0"),
        ("pids", "pids.max", "10"),
        ("io", "io.bfq.weight", "500"),
        ("io", "io.max", "8:0 rbps=1000"),
        ("memory", "memory.high", "90"),
    ]


def test_no_limit_is_no_write_and_minus_one_is_none() -> None:
    assert list(plan_v1({})) == list(plan_v2({})) == []
    assert list(plan_v2({"memory": {"limit": -1, "swap": -1}, "pids": {"limit": -1}})) == [
        ("memory", "memory.max", "max"),
        ("memory", "memory.swap.max", "max"),
        ("pids", "pids.max", "max"),
    ]


def test_rare_limits_ask_for_their_hierarchies() -> None:
    assert extra_controllers(RESOURCES) == {"cpuset"}
    assert extra_controllers({"network": {"classID": 1}, "hugepageLimits": [{}]}) == {"net_cls", "hugetlb"}


@given(st.integers(-5, 1 << 20), st.integers(-5, 1 << 20))
def test_weights_are_in_range_and_grow_with_shares(one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert 1 <= weight_of_shares(low) <= weight_of_shares(high) <= 10000


def test_io_figures_are_read_by_device() -> None:
    assert parse_io_stat(["8:16 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0"]) == [
        (8, 16, "bytes", "Read", 1),
        (8, 16, "bytes", "Write", 2),
        (8, 16, "ios", "Read", 3),
        (8, 16, "ios", "Write", 4),
    ]


def test_without_rules_all_but_the_usual_devices_is_denied() -> None:
    default, rules = reduce_rules([])
    assert not default
    writes = plan_v1_writes(default, rules)
    assert writes[0] == ("devices.deny", "a")
    assert ("devices.allow", "c 1:3 rwm") in writes
    assert ("devices.allow", "c 136:* rwm") in writes


def test_a_privileged_container_may_all() -> None:
    assert plan_v1_writes(*reduce_rules([{"allow": True, "access": "rwm"}])) == [("devices.allow", "a")]


# The program is judged by a small machine that knows only the instructions it uses.


def run_program(program: bytes, kind: int, access: int, major: int, minor: int) -> int:
    code = [struct.unpack("<BBhi", program[n : n + 8]) for n in range(0, len(program), 8)]
    context = {0: access << 16 | kind, 4: major, 8: minor}
    registers = [0] * 11
    position = 0
    while True:
        opcode, operands, offset, immediate = code[position]
        position += 1
        destination, source = operands & 15, operands >> 4
        match opcode:
            case 0x61:
                registers[destination] = context[offset]
            case 0xBF:
                registers[destination] = registers[source]
            case 0x54:
                registers[destination] &= immediate
            case 0x74:
                registers[destination] >>= immediate
            case 0xB7:
                registers[destination] = immediate
            case 0x56:
                position += offset if registers[destination] != immediate else 0
            case 0x16:
                position += offset if registers[destination] == immediate else 0
            case 0x5E:
                position += offset if registers[destination] != registers[source] else 0
            case 0x95:
                return registers[0]
            case _:
                pytest.fail(f"instruction {opcode:#x}")


def judge(
    default: bool, rules: list[DeviceRule], kind: str, access: set[str], major: int, minor: int
) -> bool:
    """What the rules mean: the last that fits decides."""
    for rule in reversed(rules):
        fits = rule.kind == kind and rule.major in (None, major) and rule.minor in (None, minor)
        named = set(rule.access)
        if fits and (access <= named if rule.allow else access & named):
            return rule.allow
    return default


ACCESS = st.sets(st.sampled_from("rwm"), min_size=1)
RULES = st.builds(
    DeviceRule,
    st.booleans(),
    st.sampled_from("bc"),
    st.none() | st.integers(0, 3),
    st.none() | st.integers(0, 3),
    ACCESS.map("".join),
)


@given(
    st.booleans(),
    st.lists(RULES, max_size=6),
    st.sampled_from("bc"),
    ACCESS,
    st.integers(0, 3),
    st.integers(0, 3),
)
def test_the_program_decides_as_the_rules_mean(
    default: bool, rules: list[DeviceRule], kind: str, access: set[str], major: int, minor: int
) -> None:
    bits = sum({"m": 1, "r": 2, "w": 4}[letter] for letter in access)
    answer = run_program(compile_filter(default, rules), {"b": 1, "c": 2}[kind], bits, major, minor)
    assert bool(answer) == judge(default, rules, kind, access, major, minor)


def test_a_device_rule_that_is_repeated_is_written_once() -> None:
    entries = [
        {"allow": False, "access": "rwm"},
        {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "rwm"},
        {"allow": True, "type": "c", "major": 10, "minor": 229, "access": "rw"},
        {"allow": False, "type": "c", "major": 10, "minor": 229, "access": "rw"},
    ]
    writes = plan_v1_writes(*reduce_rules(entries))
    assert len(writes) == len(set(writes))
    assert writes.count(("devices.allow", "c 1:3 rwm")) == 1
    assert [text for text in writes if "10:229" in text[1]] == [("devices.deny", "c 10:229 rw")]
