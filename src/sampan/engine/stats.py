# SPDX-License-Identifier: Apache-2.0
"""`docker stats`: looking at what a container uses, once or every second."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator
from typing import Any

from sampan.engine.cgroups import find_cgroup
from sampan.engine.model import Container
from sampan.engine.stats_shape import Sample, describe_sample
from sampan.linux.cgroup_stats import read_stats

INTERVAL_S = 1.0
NS_PER_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
SYSTEM_FIELDS = slice(1, 8)  # user, nice, system, idle, iowait, irq, softirq: Docker leaves out the rest
INTERFACE_FIELDS = (
    (0, "rx_bytes"), (1, "rx_packets"), (2, "rx_errors"), (3, "rx_dropped"),
    (8, "tx_bytes"), (9, "tx_packets"), (10, "tx_errors"), (11, "tx_dropped"),
)  # fmt: skip


def take_sample(container: Container) -> Sample | None:
    """Read everything; None if the container does not run. Blocking, though not for long."""
    pid = container.state.pid
    if not container.state.is_running or not pid:
        return None
    cgroup = find_cgroup(container)
    return Sample(
        read_ns=time.time_ns(),
        cgroup=read_stats(cgroup),
        unified=cgroup.unified,
        system_ns=_read_system_ns(),
        processors=os.sysconf("SC_NPROCESSORS_ONLN"),
        networks={} if container.host_config.network_mode == "host" else read_networks(pid),
    )


async def iter_stats(container: Container, *, primed: bool = False) -> AsyncGenerator[dict[str, Any], None]:
    """One object a second until the container is removed; `primed` leaves out the first, which has no past."""
    before: Sample | None = None
    if primed:
        before = await asyncio.to_thread(take_sample, container)
        if before is not None:
            await asyncio.sleep(INTERVAL_S)
    while True:
        sample = await asyncio.to_thread(take_sample, container)
        yield describe_sample(container, sample, before)
        if container.is_removing:
            return
        before = sample
        await asyncio.sleep(INTERVAL_S)


def read_networks(pid: int) -> dict[str, dict[str, int]]:
    """The counters of each interface of the process's network but the loopback."""
    try:
        with open(f"/proc/{pid}/net/dev", encoding="ascii") as lines:
            return parse_networks(lines.readlines())
    except OSError:  # it has just ended
        return {}


def parse_networks(lines: list[str]) -> dict[str, dict[str, int]]:
    """/proc/PID/net/dev (proc(5)): two lines of titles, then `eth0: 1 2 …`."""
    networks: dict[str, dict[str, int]] = {}
    for line in lines[2:]:
        name, _, rest = line.partition(":")
        if name.strip() != "lo":
            figures = rest.split()
            networks[name.strip()] = {key: int(figures[place]) for place, key in INTERFACE_FIELDS}
    return networks


def _read_system_ns() -> int:
    """The machine's processor time since it started, idle time included."""
    with open("/proc/stat", encoding="ascii") as lines:
        return sum(map(int, lines.readline().split()[SYSTEM_FIELDS])) * NS_PER_TICK
