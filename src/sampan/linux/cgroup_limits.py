# SPDX-License-Identifier: Apache-2.0
"""Limits: from the runtime-spec's linux.resources to writes of control files, on v1 and on v2.

`plan_v1` and `plan_v2` are pure. A control file that this kernel does not have costs a warning, as with
Docker; a value that the kernel refuses is an error.
"""

from __future__ import annotations

import errno

from sampan.linux.cgroup import write_file
from sampan.linux.device_filter import attach_filter, compile_filter, plan_v1_writes, reduce_rules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from sampan.linux.cgroup import Cgroup

    Write = tuple[str, str, str]  # controller, file, text

_V1_CPU = (
    ("shares", "cpu.shares"),
    ("period", "cpu.cfs_period_us"),
    ("quota", "cpu.cfs_quota_us"),
    ("burst", "cpu.cfs_burst_us"),
    ("realtimePeriod", "cpu.rt_period_us"),
    ("realtimeRuntime", "cpu.rt_runtime_us"),
    ("idle", "cpu.idle"),
)
_V1_MEMORY = (
    ("limit", "memory.limit_in_bytes"),
    ("swap", "memory.memsw.limit_in_bytes"),
    ("reservation", "memory.soft_limit_in_bytes"),
    ("kernelTCP", "memory.kmem.tcp.limit_in_bytes"),
    ("swappiness", "memory.swappiness"),
)
_THROTTLE = (
    ("throttleReadBpsDevice", "read_bps_device", "rbps"),
    ("throttleWriteBpsDevice", "write_bps_device", "wbps"),
    ("throttleReadIOPSDevice", "read_iops_device", "riops"),
    ("throttleWriteIOPSDevice", "write_iops_device", "wiops"),
)
"""Key in the config, v1 file, v2 key of io.max."""


def extra_controllers(resources: dict[str, Any]) -> set[str]:
    """Return the v1 controllers that these limits need beyond those every container joins."""
    cpu, network = resources.get("cpu") or {}, resources.get("network") or {}
    needed = {
        "cpuset": cpu.get("cpus") or cpu.get("mems"),
        "hugetlb": resources.get("hugepageLimits"),
        "net_cls": network.get("classID"),
        "net_prio": network.get("priorities"),
        "rdma": resources.get("rdma"),
    }
    return {controller for controller, reason in needed.items() if reason}


def apply_limits(cgroup: Cgroup, resources: dict[str, Any], *, devices: bool = True) -> list[str]:
    """Write all limits and return warnings; `devices` is false for a later change of the others."""
    plan = plan_v2 if cgroup.unified else plan_v1
    warnings = _write_all(cgroup, list(plan(resources)))
    if devices:
        _limit_devices(cgroup, resources.get("devices") or [])
    return warnings


def _write_all(cgroup: Cgroup, writes: list[Write]) -> list[str]:
    warnings, postponed = [], []
    for controller, name, text in writes:
        try:
            warnings += _write(cgroup, controller, name, text)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EBUSY):
                raise
            postponed.append((controller, name, text))
    # A pair such as memory and memory+swap may have to be raised in the other order: once more.
    for controller, name, text in postponed:
        warnings += _write(cgroup, controller, name, text)
    return warnings


def _write(cgroup: Cgroup, controller: str, name: str, text: str) -> list[str]:
    directory = cgroup.find(controller)
    if directory is None:
        return [f"{name}: this machine has no {controller} cgroup; limit discarded"]
    try:
        write_file(f"{directory}/{name}", text)
    except (FileNotFoundError, PermissionError) as error:
        if isinstance(error, PermissionError) and error.errno != errno.EPERM:
            raise  # cgroupfs answers EACCES for a file that is there
        return [f"{name}: this kernel does not have it; limit discarded"]
    return []


def _limit_devices(cgroup: Cgroup, entries: list[dict[str, Any]]) -> None:
    default, rules = reduce_rules(entries)
    directory = cgroup.find("devices")
    if directory is None:
        return
    if cgroup.unified:
        if not default or rules:
            attach_filter(directory, compile_filter(default, rules))
        return
    for name, text in plan_v1_writes(default, rules):
        write_file(f"{directory}/{name}", text)


def plan_v1(resources: dict[str, Any]) -> Iterator[Write]:
    """Yield the writes for v1."""
    memory, cpu = resources.get("memory") or {}, resources.get("cpu") or {}
    for key, name in _V1_MEMORY:
        if memory.get(key) is not None and (memory[key] or key == "swappiness"):
            yield "memory", name, str(memory[key])
    if memory.get("disableOOMKiller"):
        yield "memory", "memory.oom_control", "1"
    for key, name in _V1_CPU:
        if cpu.get(key):
            yield "cpu", name, str(cpu[key])
    yield from _plan_common(resources)
    yield from _plan_v1_blkio(resources.get("blockIO") or {})
    for entry in resources.get("hugepageLimits") or ():
        yield "hugetlb", f"hugetlb.{entry['pageSize']}.limit_in_bytes", str(entry["limit"])
    network = resources.get("network") or {}
    if network.get("classID"):
        yield "net_cls", "net_cls.classid", str(network["classID"])
    for entry in network.get("priorities") or ():
        yield "net_prio", "net_prio.ifpriomap", f"{entry['name']} {entry['priority']}"


def _plan_common(resources: dict[str, Any]) -> Iterator[Write]:
    """Yield what is the same on both versions."""
    cpu = resources.get("cpu") or {}
    for key in ("cpus", "mems"):
        if cpu.get(key):
            yield "cpuset", f"cpuset.{key}", cpu[key]
    limit = (resources.get("pids") or {}).get("limit")
    if limit:
        yield "pids", "pids.max", str(limit) if limit > 0 else "max"
    for device, entry in (resources.get("rdma") or {}).items():
        handles, objects = entry.get("hcaHandles", "max"), entry.get("hcaObjects", "max")
        yield "rdma", "rdma.max", f"{device} hca_handle={handles} hca_object={objects}"


def _plan_v1_blkio(block: dict[str, Any]) -> Iterator[Write]:
    if block.get("weight"):
        yield "blkio", "blkio.bfq.weight", str(block["weight"])
    for entry in block.get("weightDevice") or ():
        yield "blkio", "blkio.bfq.weight_device", f"{entry['major']}:{entry['minor']} {entry['weight']}"
    for key, name, _ in _THROTTLE:
        for entry in block.get(key) or ():
            text = f"{entry['major']}:{entry['minor']} {entry['rate']}"
            yield "blkio", f"blkio.throttle.{name}", text


def plan_v2(resources: dict[str, Any]) -> Iterator[Write]:
    """Yield the writes for v2."""
    yield from _plan_v2_memory(resources.get("memory") or {})
    yield from _plan_v2_cpu(resources.get("cpu") or {})
    yield from _plan_common(resources)
    yield from _plan_v2_io(resources.get("blockIO") or {})
    for entry in resources.get("hugepageLimits") or ():
        yield "hugetlb", f"hugetlb.{entry['pageSize']}.max", str(entry["limit"])
    for name, text in (resources.get("unified") or {}).items():
        yield name.partition(".")[0], name, text


def _plan_v2_memory(memory: dict[str, Any]) -> Iterator[Write]:
    limit, swap = memory.get("limit") or 0, memory.get("swap") or 0
    if limit:
        yield "memory", "memory.max", _or_max(limit)
    if swap:  # the config counts memory and swap together, v2 swap alone
        yield "memory", "memory.swap.max", _or_max(swap if swap < 0 else max(swap - max(limit, 0), 0))
    if memory.get("reservation"):
        yield "memory", "memory.low", _or_max(memory["reservation"])


def _plan_v2_cpu(cpu: dict[str, Any]) -> Iterator[Write]:
    if cpu.get("idle") is not None:
        yield "cpu", "cpu.idle", str(cpu["idle"])
    if cpu.get("shares") and not cpu.get("idle"):
        yield "cpu", "cpu.weight", str(weight_of_shares(cpu["shares"]))
    if cpu.get("quota") or cpu.get("period"):
        quota = cpu.get("quota") or 0
        yield "cpu", "cpu.max", f"{quota if quota > 0 else 'max'} {cpu.get('period') or 100000}"
    if cpu.get("burst") is not None:
        yield "cpu", "cpu.max.burst", str(cpu["burst"])


def _plan_v2_io(block: dict[str, Any]) -> Iterator[Write]:
    if block.get("weight"):
        yield "io", "io.bfq.weight", str(block["weight"])
    for entry in block.get("weightDevice") or ():
        yield "io", "io.bfq.weight", f"{entry['major']}:{entry['minor']} {entry['weight']}"
    for key, _, name in _THROTTLE:
        for entry in block.get(key) or ():
            yield "io", "io.max", f"{entry['major']}:{entry['minor']} {name}={entry['rate']}"


def weight_of_shares(shares: int) -> int:
    """Convert cpu.shares (2 to 262144) to cpu.weight (1 to 10000), by the formula that runc and systemd use."""
    shares = min(max(shares, 2), 262144)
    return 1 + ((shares - 2) * 9999) // 262142


def _or_max(number: int) -> str:
    return "max" if number < 0 else str(number)
