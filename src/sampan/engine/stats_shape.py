# SPDX-License-Identifier: Apache-2.0
"""What a container uses, in the shape that clients of the API read (pure).

Source: Engine API v1.51, ContainerStats. Clients reckon processor shares from the difference of two samples:
`precpu_stats` is the sample before. Times are nanoseconds, sizes bytes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from sampan.engine.model import Container
from sampan.linux.cgroup_stats import CgroupStats
from sampan.schema.times import NEVER, format_time


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at a container that runs."""

    read_ns: int
    cgroup: CgroupStats
    unified: bool
    system_ns: int
    processors: int
    networks: dict[str, dict[str, int]]


def describe_sample(container: Container, sample: Sample | None, before: Sample | None) -> dict[str, Any]:
    """A ContainerStatsResponse; of a container that does not run only who it is."""
    described: dict[str, Any] = {
        "id": container.id,
        "name": "/" + container.name,
        "read": format_time(sample.read_ns) if sample else NEVER,
        "preread": format_time(before.read_ns) if before else NEVER,
        "num_procs": 0,
        "storage_stats": {},
        "pids_stats": {},
        "cpu_stats": describe_cpu(sample),
        "precpu_stats": describe_cpu(before),
        "memory_stats": {},
        "blkio_stats": describe_blkio(sample),
    }
    if sample is None:
        return described
    pids = {"current": sample.cgroup.pids}
    described["pids_stats"] = pids | {"limit": sample.cgroup.pids_limit} if sample.cgroup.pids_limit else pids
    described["memory_stats"] = describe_memory(sample)
    if sample.networks:
        described["networks"] = sample.networks
    return described


def describe_cpu(sample: Sample | None) -> dict[str, Any]:
    """A ContainerCPUStats; zeros where there is no sample."""
    cgroup = sample.cgroup if sample else CgroupStats()
    usage: dict[str, Any] = {
        "total_usage": cgroup.cpu_total_ns,
        "usage_in_kernelmode": cgroup.cpu_system_ns,
        "usage_in_usermode": cgroup.cpu_user_ns,
    }
    if cgroup.per_cpu_ns:
        usage["percpu_usage"] = cgroup.per_cpu_ns
    described: dict[str, Any] = {
        "cpu_usage": usage,
        "throttling_data": {
            "periods": cgroup.throttling_periods,
            "throttled_periods": cgroup.throttled_periods,
            "throttled_time": cgroup.throttled_ns,
        },
    }
    if sample:
        described |= {"system_cpu_usage": sample.system_ns, "online_cpus": sample.processors}
    return described


def describe_memory(sample: Sample) -> dict[str, Any]:
    """A ContainerMemoryStats: without a limit of its own the machine's memory is the limit."""
    cgroup = sample.cgroup
    described = {
        "usage": cgroup.memory_bytes,
        "stats": cgroup.memory_stat,
        "limit": cgroup.memory_limit_bytes or _machine_memory(),
    }
    # v2 has no such figure in Docker's answer, and clients tell the versions apart by it.
    return described if sample.unified else described | {"max_usage": cgroup.memory_peak_bytes}


def describe_blkio(sample: Sample | None) -> dict[str, Any]:
    """A ContainerBlkioStats. v1 writes `Read`, v2 `read`, as in Docker."""
    entries: dict[str, list[dict[str, Any]]] = {"bytes": [], "ios": []}
    for major, minor, unit, operation, value in sample.cgroup.blkio if sample else ():
        shown = operation.lower() if sample and sample.unified else operation
        entries[unit].append({"major": major, "minor": minor, "op": shown, "value": value})
    rest = (
        "io_queue_recursive", "io_service_time_recursive", "io_wait_time_recursive", "io_merged_recursive",
        "io_time_recursive", "sectors_recursive",
    )  # fmt: skip
    nothing: list[Any] | None = (
        None if sample is None or sample.unified else []
    )  # Docker on v1 has empty lists
    return {
        "io_service_bytes_recursive": entries["bytes"] or nothing,
        "io_serviced_recursive": entries["ios"] or nothing,
        **dict.fromkeys(rest, nothing),
    }


def _machine_memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
