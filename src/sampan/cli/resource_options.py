# SPDX-License-Identifier: Apache-2.0
"""Limits and devices of a container as the Engine API's Resources, which are part of its HostConfig."""

from __future__ import annotations

from sampan.cli.device_options import (
    parse_device_rule,
    parse_gpus,
    parse_operations_device,
    parse_rate_device,
    parse_weight_device,
    plan_devices,
    plan_throttles,
)
from sampan.cli.sizes import parse_cpus, parse_swap, parse_ulimit, read_flag
from sampan.client.sizes import parse_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    from sampan.cli.options import Options

    Fields: TypeAlias = dict[str, object]


def present(**fields: object) -> Fields:
    """The fields that are not empty: an engine takes an absent one for its zero value."""
    return {name: value for name, value in fields.items() if value}


def plan_resources(options: Options) -> Fields:
    """What the container may use."""
    devices, requests = plan_devices(options.several("device"))
    if options.text("gpus"):
        requests.append(read_flag("--gpus", options.text("gpus"), parse_gpus))
    resources = present(
        CpuShares=options.number("cpu-shares"),
        Memory=read_size(options, "memory", short="m"),
        NanoCpus=read_flag("--cpus", options.text("cpus"), parse_cpus) if options.text("cpus") else 0,
        CgroupParent=options.text("cgroup-parent"),
        BlkioWeight=options.number("blkio-weight"),
        BlkioWeightDevice=plan_throttles(
            "--blkio-weight-device", options.several("blkio-weight-device"), parse_weight_device
        ),
        CpuPeriod=options.number("cpu-period"),
        CpuQuota=options.number("cpu-quota"),
        CpuRealtimePeriod=options.number("cpu-rt-period"),
        CpuRealtimeRuntime=options.number("cpu-rt-runtime"),
        CpusetCpus=options.text("cpuset-cpus"),
        CpusetMems=options.text("cpuset-mems"),
        Devices=devices,
        DeviceCgroupRules=[
            read_flag("--device-cgroup-rule", word, parse_device_rule)
            for word in options.several("device-cgroup-rule")
        ],
        DeviceRequests=requests,
        MemoryReservation=read_size(options, "memory-reservation"),
        MemorySwap=_swap(options),
        OomKillDisable=options.switch("oom-kill-disable"),
        Ulimits=_ulimits(options),
        **_throttles(options),
    )
    if options.number("memory-swappiness") != -1:
        resources["MemorySwappiness"] = options.number("memory-swappiness")
    if options.given("pids-limit"):
        resources["PidsLimit"] = options.number("pids-limit")
    return resources


def read_size(options: Options, flag: str, *, short: str = "") -> int:
    """The bytes that a flag gives, 0 when it was not given."""
    label = f"-{short}, --{flag}" if short else f"--{flag}"
    word = options.text(flag)
    return read_flag(label, word, parse_size) if options.given(flag) else 0


def _swap(options: Options) -> int:
    word = options.text("memory-swap")
    return read_flag("--memory-swap", word, parse_swap) if options.given("memory-swap") else 0


def _throttles(options: Options) -> Fields:
    fields: Fields = {}
    for way, name in (("read", "Read"), ("write", "Write")):
        for unit, key, parse in (
            ("bps", "Bps", parse_rate_device),
            ("iops", "IOps", parse_operations_device),
        ):
            flag = f"device-{way}-{unit}"
            fields[f"BlkioDevice{name}{key}"] = plan_throttles(f"--{flag}", options.several(flag), parse)
    return fields


def _ulimits(options: Options) -> list[Fields]:
    limits = [read_flag("--ulimit", word, parse_ulimit) for word in options.several("ulimit")]
    by_name = {str(limit["Name"]): limit for limit in limits}
    return [by_name[name] for name in sorted(by_name)]
