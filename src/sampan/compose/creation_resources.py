# SPDX-License-Identifier: Apache-2.0
"""A service's limits and devices as the API's part of HostConfig; ``deploy.resources`` wins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sampan.compose.model import BlockDevice, BlockIo, Service
from sampan.compose.model_deploy import DeviceRequest, Resource
from sampan.compose.model_ulimit import Ulimit

Body = dict[str, Any]

_NANO = 1_000_000_000


def present(**fields: Any) -> Body:
    """The fields that say something: not None, and neither empty nor zero."""
    return {name: value for name, value in fields.items() if value}


def plan_resources(service: Service) -> Body:
    """Memory, processors, processes, block devices, devices."""
    resources = present(
        CgroupParent=service.cgroup_parent,
        Memory=service.mem_limit,
        MemorySwap=service.memswap_limit,
        MemorySwappiness=service.mem_swappiness,
        MemoryReservation=service.mem_reservation,
        OomKillDisable=service.oom_kill_disable,
        CpuPeriod=service.cpu_period,
        CpuQuota=service.cpu_quota,
        CpuRealtimePeriod=service.cpu_rt_period,
        CpuRealtimeRuntime=service.cpu_rt_runtime,
        CpuShares=service.cpu_shares,
        NanoCpus=_nano(service.cpus),
        CpusetCpus=service.cpuset,
        DeviceCgroupRules=list(service.device_cgroup_rules),
        PidsLimit=service.pids_limit,
        Devices=[
            {
                "PathOnHost": device.source,
                "PathInContainer": device.target or device.source,
                "CgroupPermissions": device.permissions or "rwm",
            }
            for device in service.devices
        ],
        DeviceRequests=[_request(request, (*request.capabilities, "gpu")) for request in service.gpus],
        Ulimits=[_ulimit(name, ulimit) for name, ulimit in service.ulimits.items()],
    )
    resources |= _plan_block_io(service.blkio_config)
    if service.deploy is not None:
        resources |= _limits(service.deploy.resources.limits)
        _add_reservations(resources, service.deploy.resources.reservations)
    return resources


def _nano(cpus: float) -> int:
    return round(cpus * _NANO)


def _limits(limits: Resource | None) -> Body:
    if limits is None:
        return {}
    return present(Memory=limits.memory, NanoCpus=_nano(limits.cpus), PidsLimit=limits.pids)


def _add_reservations(resources: Body, reservations: Resource | None) -> None:
    if reservations is None:
        return
    resources |= present(MemoryReservation=reservations.memory)
    requests = [_request(request, request.capabilities) for request in reservations.devices]
    if requests:
        resources["DeviceRequests"] = [*resources.get("DeviceRequests", ()), *requests]


def _request(request: DeviceRequest, capabilities: Sequence[str]) -> Body:
    return {"Capabilities": [list(capabilities)]} | present(
        Driver=request.driver,
        Count=request.count,
        DeviceIDs=list(request.device_ids),
        Options=request.options,
    )


def _ulimit(name: str, ulimit: Ulimit) -> Body:
    return {"Name": name, "Soft": ulimit.soft or ulimit.single, "Hard": ulimit.hard or ulimit.single}


def _plan_block_io(config: BlockIo | None) -> Body:
    if config is None:
        return {}
    return present(
        BlkioWeight=config.weight,
        BlkioWeightDevice=[{"Path": device.path, "Weight": device.weight} for device in config.weight_device],
        BlkioDeviceReadBps=_throttles(config.device_read_bps),
        BlkioDeviceReadIOps=_throttles(config.device_read_iops),
        BlkioDeviceWriteBps=_throttles(config.device_write_bps),
        BlkioDeviceWriteIOps=_throttles(config.device_write_iops),
    )


def _throttles(devices: Sequence[BlockDevice]) -> list[Body]:
    return [{"Path": device.path, "Rate": device.rate} for device in devices]
