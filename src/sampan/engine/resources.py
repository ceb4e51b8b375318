# SPDX-License-Identifier: Apache-2.0
"""Limits of a container: Docker's HostConfig → OCI runtime-spec `linux.resources` and `process.rlimits`
(pure).

Sizes are bytes, CPU quota and period microseconds, as both standards have them.
"""

from __future__ import annotations

from typing import Any

from sampan.engine.block_io import plan_block_io
from sampan.schema.container import HostConfig, Ulimit

CPU_PERIOD_US = 100_000
NANO = 1_000_000_000


def plan_resources(host: HostConfig, devices: list[dict[str, Any]]) -> dict[str, Any]:
    """The `resources` object; only what was asked for appears in it."""
    resources: dict[str, Any] = {
        "devices": devices,
        "memory": plan_memory(host),
        "cpu": plan_cpu(host),
        "pids": {"limit": host.pids_limit} if host.pids_limit else {},
        "blockIO": plan_block_io(host),
    }
    return {name: value for name, value in resources.items() if value}


def plan_memory(host: HostConfig) -> dict[str, Any]:
    """Docker's default gives as much swap as memory: the swap limit counts both together."""
    memory: dict[str, Any] = {}
    if host.memory > 0:
        memory["limit"] = host.memory
        memory["swap"] = host.memory_swap or host.memory * 2
    if host.memory_reservation > 0:
        memory["reservation"] = host.memory_reservation
    if host.memory_swappiness is not None and host.memory_swappiness >= 0:
        memory["swappiness"] = host.memory_swappiness
    if host.oom_kill_disable:
        memory["disableOOMKiller"] = True
    return memory


def plan_cpu(host: HostConfig) -> dict[str, Any]:
    """`--cpus` is a quota in a period of 100 ms."""
    cpu: dict[str, Any] = {}
    if host.nano_cpus:
        cpu["period"] = CPU_PERIOD_US
        cpu["quota"] = host.nano_cpus * CPU_PERIOD_US // NANO
    asked = {
        "shares": host.cpu_shares,
        "period": host.cpu_period,
        "quota": host.cpu_quota,
        "realtimePeriod": host.cpu_realtime_period,
        "realtimeRuntime": host.cpu_realtime_runtime,
        "cpus": host.cpuset_cpus,
        "mems": host.cpuset_mems,
    }
    return cpu | {name: value for name, value in asked.items() if value}


def plan_rlimits(ulimits: list[Ulimit]) -> list[dict[str, Any]]:
    """`nofile=1024:2048` → RLIMIT_NOFILE; -1 means without limit."""
    return [
        {"type": "RLIMIT_" + u.name.upper(), "soft": _unlimited(u.soft), "hard": _unlimited(u.hard)}
        for u in ulimits
    ]


def _unlimited(value: int) -> int:
    return value if value >= 0 else (1 << 64) - 1
