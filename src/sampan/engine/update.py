# SPDX-License-Identifier: Apache-2.0
"""`docker update`: other limits for a container, at once if it runs, and another restart policy.

Source: moby `container/container_unix.go` UpdateContainer, with its wording: what is zero or absent stays as it is.
Not as in Docker: memory may be raised above a swap limit that nobody has set, as that follows the memory.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from sampan.engine.cgroups import find_cgroup, join_cpuset
from sampan.engine.create_checks import check_host_config
from sampan.engine.limit_checks import check_limits, read_bounds
from sampan.engine.resources import plan_resources
from sampan.errors import Conflict
from sampan.linux.cgroup_limits import apply_limits
from sampan.schema.container import HostConfig

if TYPE_CHECKING:
    from sampan.engine.containers import Containers
    from sampan.engine.model import Container

LIMITS = (
    "blkio_weight", "cpu_period", "cpu_quota", "cpu_realtime_period", "cpu_realtime_runtime", "cpu_shares",
    "cpuset_cpus", "cpuset_mems", "memory", "memory_reservation", "memory_swap", "nano_cpus",
)  # fmt: skip


async def update_container(containers: Containers, container: Container, wanted: HostConfig) -> list[str]:
    """Change limits and restart policy: first what runs, then the record. Gives warnings."""
    async with container.lock:
        if container.is_removing:
            raise Conflict('container is marked for removal and cannot be "update"')
        try:
            planned = plan_update(container.host_config, wanted)
            warnings: list[str] = []
            if container.state.is_running and container.state.pid:
                resources = changed_resources(container.host_config, planned)
                warnings = await asyncio.to_thread(_apply, container, resources)
        except Conflict as error:
            error.message = f"Cannot update container {container.id}: {error.message}"
            raise
        container.document.host_config = planned
        containers.save(container)
    containers.publish(container, "update")
    return warnings


def plan_update(host: HostConfig, wanted: HostConfig) -> HostConfig:
    """The configuration afterwards; refuses what contradicts what is set already."""
    _refuse_contradictions(host, wanted)
    changes: dict[str, Any] = {name: getattr(wanted, name) for name in LIMITS if getattr(wanted, name)}
    if wanted.pids_limit is not None:
        changes["pids_limit"] = wanted.pids_limit if wanted.pids_limit > 0 else -1
    if wanted.restart_policy.name:
        changes["restart_policy"] = wanted.restart_policy
    planned = msgspec.structs.replace(host, **changes)
    check_host_config(planned)
    check_limits(planned, read_bounds())
    plan_resources(planned, [])
    return planned


def _refuse_contradictions(host: HostConfig, wanted: HostConfig) -> None:
    checks = (
        (
            wanted.nano_cpus and host.cpu_period,
            "Nano CPUs cannot be updated as CPU Period has already been set",
        ),
        (
            wanted.nano_cpus and host.cpu_quota,
            "Nano CPUs cannot be updated as CPU Quota has already been set",
        ),
        (
            wanted.cpu_period and host.nano_cpus,
            "CPU Period cannot be updated as NanoCPUs has already been set",
        ),
        (wanted.cpu_quota and host.nano_cpus, "CPU Quota cannot be updated as NanoCPUs has already been set"),
    )
    for contradicts, reason in checks:
        if contradicts:
            raise Conflict(f"Conflicting options: {reason}")
    if host.auto_remove and wanted.restart_policy.name not in ("", "no"):
        raise Conflict("Restart policy cannot be updated because AutoRemove is enabled for the container")
    if 0 < host.memory_swap < wanted.memory and not wanted.memory_swap:
        raise Conflict(
            "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time"
        )


def changed_resources(before: HostConfig, after: HostConfig) -> dict[str, Any]:
    """The runtime-spec resources whose group of limits is not as it was: the rest is not written again."""
    old, new = plan_resources(before, []), plan_resources(after, [])
    return {name: limits for name, limits in new.items() if old.get(name) != limits}


def _apply(container: Container, resources: dict[str, Any]) -> list[str]:
    """Write the limits into the container's control groups."""
    cgroup = find_cgroup(container, resources)
    try:
        cgroup.create()
        warnings = apply_limits(cgroup, resources, devices=False)
        join_cpuset(cgroup)
    except OSError as error:
        raise Conflict(
            f"{error.filename or cgroup.path}: {(error.strerror or str(error)).lower()}"
        ) from error
    return warnings
