# SPDX-License-Identifier: Apache-2.0
"""Limits that are refused when a container is created, or that this engine cannot set in full.

Sources: moby `daemon/daemon_unix.go` (cpusets, OOM score) and runc's `validateSysctl`, in their words. A limit
above what the engine may set is no error: the container gets as much as there is, and its creator a warning.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sampan.engine.cpu_lists import parse_cpu_list
from sampan.engine.resource_checks import check_cpu, check_memory
from sampan.errors import InvalidArgument
from sampan.linux.capability import NAMES, read_sets
from sampan.schema.container import HostConfig, Ulimit

ULIMITS = frozenset(
    (
        "as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss",
        "rtprio", "rttime", "sigpending", "stack",
    )
)  # fmt: skip
IPC_SYSCTLS = frozenset(
    f"kernel.{name}"
    for name in ("msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni", "shm_rmid_forced")
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What this machine has and this engine may set: CPUs, memory nodes, hard limits by name, its OOM score."""

    cpus: str
    mems: str
    hard_limits: Mapping[str, int]
    oom_score: int


def check_limits(host: HostConfig, bounds: Bounds) -> None:
    """Refuse what cannot hold here."""
    check_memory(host)
    check_cpu(host, cpus=len(parse_cpu_list(bounds.cpus)))
    check_sysctls(host)
    if not -1000 <= host.oom_score_adj <= 1000:
        raise InvalidArgument(f"Invalid value {host.oom_score_adj}, range for oom score adj is [-1000, 1000]")
    _check_list(host.cpuset_cpus, bounds.cpus, what="cpuset cpus", kind="CPUs")
    _check_list(host.cpuset_mems, bounds.mems, what="cpuset mems", kind="memory nodes")
    for ulimit in host.ulimits or ():
        _check_ulimit(ulimit)


def _check_list(wanted: str, available: str, *, what: str, kind: str) -> None:
    try:
        missing = parse_cpu_list(wanted) - parse_cpu_list(available)
    except ValueError:
        raise InvalidArgument(f"Invalid value {wanted} for {what}: invalid format: {wanted}") from None
    if missing:
        raise InvalidArgument(
            f"Requested {kind} are not available - requested {wanted}, available: {available}"
        )


def _check_ulimit(ulimit: Ulimit) -> None:
    if ulimit.name.lower() not in ULIMITS:
        raise InvalidArgument(f"invalid ulimit type: {ulimit.name}")
    if ulimit.hard >= 0 and (ulimit.soft > ulimit.hard or ulimit.soft < 0):
        raise InvalidArgument(
            f"ulimit soft limit must be less than or equal to hard limit: {ulimit.soft} > {ulimit.hard}"
        )


def check_sysctls(host: HostConfig) -> None:
    """Refuse kernel parameters of the host: only those of a namespace of the container's own may be set."""
    for name in host.sysctls or {}:
        dotted = name.replace("/", ".") if "/" in name.partition(".")[0] else name
        if dotted in IPC_SYSCTLS or dotted.startswith("fs.mqueue."):
            if host.ipc_mode == "host":
                raise InvalidArgument(f'sysctl "{name}" is not allowed in the hosts ipc namespace')
        elif dotted.startswith("net."):
            if host.network_mode == "host":
                raise InvalidArgument(f'sysctl "{name}" not allowed in host network namespace')
        elif dotted == "kernel.domainname":
            if host.uts_mode == "host":
                raise InvalidArgument(f'sysctl "{name}" is not allowed in the hosts uts namespace')
        else:
            raise InvalidArgument(f'sysctl "{name}" is not in a separate kernel namespace')


def plan_limit_warnings(host: HostConfig, bounds: Bounds) -> list[str]:
    """What the container gets less of than it asked for."""
    warnings = [
        f"ulimit {ulimit.name}: {_or_unlimited(ulimit.hard)} is above what this engine may set: {hard} is used instead"
        for ulimit in host.ulimits or ()
        if (hard := bounds.hard_limits.get(ulimit.name.lower(), -1)) >= 0 and not 0 <= ulimit.hard <= hard
    ]
    if host.oom_score_adj < bounds.oom_score:
        warnings.append(
            f"oom score adjustment {host.oom_score_adj} is below what this engine may set: "
            f"{bounds.oom_score} is used instead"
        )
    return warnings


def _or_unlimited(limit: int) -> str:
    return "unlimited" if limit < 0 else str(limit)


def read_bounds() -> Bounds:
    """Look at this machine and this process."""
    privileged = bool(read_sets()[0] >> NAMES.index("CAP_SYS_RESOURCE") & 1)
    return Bounds(
        cpus=_read("/sys/devices/system/cpu/online"),
        mems=_read("/sys/devices/system/node/online") or "0",
        hard_limits={} if privileged else _own_limits(sorted(ULIMITS)),
        oom_score=-1000 if privileged else int(_read("/proc/self/oom_score_adj") or "0"),
    )


def _own_limits(names: Sequence[str]) -> dict[str, int]:
    numbers = {name: getattr(resource, f"RLIMIT_{name.upper()}", None) for name in names}
    return {name: resource.getrlimit(number)[1] for name, number in numbers.items() if number is not None}


def _read(path: str) -> str:
    if not os.path.exists(path):
        return ""
    with open(path, encoding="ascii") as file:
        return file.read().strip()
