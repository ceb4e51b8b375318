# SPDX-License-Identifier: Apache-2.0
"""Figures of limits that contradict each other or that no kernel takes, refused in Docker's words (pure).

Source: moby `daemon/daemon_unix.go`, verifyPlatformContainerResources. What this machine has not is limit_checks'.
"""

from __future__ import annotations

from sampan.errors import InvalidArgument
from sampan.schema.container import HostConfig

MINIMUM_MEMORY_BYTES = 6 * 1024 * 1024
NANO = 1_000_000_000


def check_memory(host: HostConfig) -> None:
    """Memory, and swap, which counts both together."""
    swappiness = -1 if host.memory_swappiness is None else host.memory_swappiness
    refusals = (
        (0 < host.memory < MINIMUM_MEMORY_BYTES, "Minimum memory limit allowed is 6MB"),
        (
            host.memory > 0 and 0 < host.memory_swap < host.memory,
            "Minimum memoryswap limit should be larger than memory limit, see usage",
        ),
        (
            host.memory == 0 and host.memory_swap > 0,
            "You should always set the Memory limit when using Memoryswap limit, see usage",
        ),
        (
            not -1 <= swappiness <= 100,
            f"Invalid value: {swappiness}, valid memory swappiness range is 0-100",
        ),
        (
            0 < host.memory_reservation < MINIMUM_MEMORY_BYTES,
            "Minimum memory reservation allowed is 6MB",
        ),
        (
            0 < host.memory < host.memory_reservation,
            "Minimum memory limit can not be less than memory reservation limit, see usage",
        ),
    )
    _refuse(refusals)


def check_cpu(host: HostConfig, *, cpus: int) -> None:
    """Shares, and the two ways to say how much of `cpus` may be used, which exclude each other."""
    refusals = (
        (
            host.nano_cpus > 0 and host.cpu_period > 0,
            "Conflicting options: Nano CPUs and CPU Period cannot both be set",
        ),
        (
            host.nano_cpus > 0 and host.cpu_quota > 0,
            "Conflicting options: Nano CPUs and CPU Quota cannot both be set",
        ),
        (
            not 0 <= host.nano_cpus <= cpus * NANO,
            f"range of CPUs is from 0.01 to {cpus}.00, as there are only {cpus} CPUs available",
        ),
        (host.cpu_shares < 0, f"invalid CPU shares ({host.cpu_shares}): value must be a positive integer"),
        (
            host.cpu_period != 0 and not 1000 <= host.cpu_period <= 1_000_000,
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
        ),
        (0 < host.cpu_quota < 1000, "CPU cfs quota can not be less than 1ms (i.e. 1000)"),
    )
    _refuse(refusals)


def _refuse(refusals: tuple[tuple[bool, str], ...]) -> None:
    for holds, reason in refusals:
        if holds:
            raise InvalidArgument(reason)
