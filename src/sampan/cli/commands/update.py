# SPDX-License-Identifier: Apache-2.0
"""``sampan update``: change limits and restart policy of containers."""

from __future__ import annotations

from sampan.cli.command import Command, at_least
from sampan.cli.each import for_each
from sampan.cli.flags import Flag, number, text
from sampan.cli.sizes import parse_cpus, parse_swap, read_flag
from sampan.client.sizes import parse_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.client.api import Engine
    from sampan.client.jsontext import Json

_NUMBERS = {
    "blkio-weight": "BlkioWeight",
    "cpu-period": "CpuPeriod",
    "cpu-quota": "CpuQuota",
    "cpu-rt-period": "CpuRealtimePeriod",
    "cpu-rt-runtime": "CpuRealtimeRuntime",
    "cpu-shares": "CpuShares",
    "pids-limit": "PidsLimit",
}
_WORDS = {"cpuset-cpus": "CpusetCpus", "cpuset-mems": "CpusetMems"}
_QUANTITIES: dict[str, tuple[str, str, Callable[[str], int]]] = {
    "cpus": ("--cpus", "NanoCpus", parse_cpus),
    "memory": ("-m, --memory", "Memory", parse_size),
    "memory-reservation": ("--memory-reservation", "MemoryReservation", parse_size),
    "memory-swap": ("--memory-swap", "MemorySwap", parse_swap),
}


def plan_update(options: Options) -> Json:
    """Only what was given is sent: the rest stays as it is."""
    body: Json = {field: options.number(flag) for flag, field in _NUMBERS.items() if options.given(flag)}
    body |= {field: options.text(flag) for flag, field in _WORDS.items() if options.given(flag)}
    for flag, (label, field, parse) in _QUANTITIES.items():
        if options.given(flag):
            body[field] = read_flag(label, options.text(flag), parse)
    if options.given("restart"):
        name, _, count = options.text("restart").partition(":")
        body["RestartPolicy"] = {"Name": name, "MaximumRetryCount": int(count) if count.isdecimal() else 0}
    return body


def run(context: Context, options: Options, arguments: list[str]) -> int:
    """Update one after the other."""
    body = plan_update(options)
    warnings: list[str] = []

    def update(engine: Engine, name: str) -> None:
        warnings.extend(engine.containers.update(name, body).get("Warnings") or ())

    status = for_each(context, arguments, update)
    for warning in warnings:
        context.out.warn(warning)
    return status


_FLAGS: tuple[Flag, ...] = (
    number(
        "blkio-weight",
        "Block IO (relative weight), between 10 and 1000, or 0 to disable (default 0)",
        shows="uint16",
    ),
    number("cpu-period", "Limit CPU CFS (Completely Fair Scheduler) period"),
    number("cpu-quota", "Limit CPU CFS (Completely Fair Scheduler) quota"),
    number("cpu-rt-period", "Limit the CPU real-time period in microseconds"),
    number("cpu-rt-runtime", "Limit the CPU real-time runtime in microseconds"),
    number("cpu-shares", "CPU shares (relative weight)", short="c"),
    text("cpus", "Number of CPUs", shows="decimal"),
    text("cpuset-cpus", "CPUs in which to allow execution (0-3, 0,1)"),
    text("cpuset-mems", "MEMs in which to allow execution (0-3, 0,1)"),
    text("memory", "Memory limit", short="m", shows="bytes"),
    text("memory-reservation", "Memory soft limit", shows="bytes"),
    text("memory-swap", "Swap limit equal to memory plus swap: -1 to enable unlimited swap", shows="bytes"),
    number("pids-limit", "Tune container pids limit (set -1 for unlimited)"),
    text("restart", "Restart policy to apply when a container exits"),
)

COMMAND = Command(
    "container update",
    "update",
    run=run,
    summary="Update configuration of one or more containers",
    usage="[OPTIONS] CONTAINER [CONTAINER...]",
    arity=at_least(1),
    flags=_FLAGS,
)
