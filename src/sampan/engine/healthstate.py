# SPDX-License-Identifier: Apache-2.0
"""What a container's health is and how each probe changes it (pure: time is an argument).

Source: moby `daemon/health.go`, whose rules are kept:
- a container begins as "starting"; one success makes it healthy at once;
- a failure counts towards `retries`, unless the container is still "starting" and the probe began within the
  start period; `retries` failures in a row make it unhealthy;
- the log keeps the last five probes, also over a restart of the container;
- while it starts, probes come at the start interval, later at the interval;
- a container that is no longer probed counts as unhealthy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from sampan.errors import InvalidArgument
from sampan.schema.container import ContainerConfig, HealthConfig
from sampan.schema.times import format_time

STARTING, HEALTHY, UNHEALTHY = "starting", "healthy", "unhealthy"
NO_HEALTHCHECK = "none"
STATUSES = frozenset({STARTING, HEALTHY, UNHEALTHY, NO_HEALTHCHECK})

SECOND_NS = 1_000_000_000
MILLISECOND_NS = 1_000_000
DEFAULT_INTERVAL_NS = 30 * SECOND_NS
DEFAULT_TIMEOUT_NS = 30 * SECOND_NS
DEFAULT_START_INTERVAL_NS = 5 * SECOND_NS
DEFAULT_RETRIES = 3
DEFAULT_SHELL = ("/bin/sh", "-c")
LOG_LENGTH = 5

ON_UNHEALTHY = "io.sampan.on-unhealthy"
ON_UNHEALTHY_ACTIONS = frozenset({"none", "restart", "stop"})


class ProbeResult(msgspec.Struct, frozen=True):
    """One probe: when it ran, its exit code (-1: it could not run or took too long) and what it said."""

    start_ns: int
    end_ns: int
    exit_code: int
    output: str


class Health(msgspec.Struct):
    """A container's health as inspect shows it."""

    status: str = STARTING
    failing_streak: int = 0
    log: list[ProbeResult] = []


@dataclass(frozen=True, slots=True)
class Probe:
    """What to run, when, and how often it may fail."""

    command: tuple[str, ...]
    interval_ns: int
    timeout_ns: int
    start_period_ns: int
    start_interval_ns: int
    retries: int


def plan_probe(config: ContainerConfig) -> Probe | None:
    """The probe of a container; None without a health check, with NONE, or with a kind nobody knows."""
    health = config.healthcheck
    kind, *rest = (health.test if health else None) or [NO_HEALTHCHECK]
    if health is None or not rest or kind not in ("CMD", "CMD-SHELL"):
        return None
    shell = (config.shell or DEFAULT_SHELL) if kind == "CMD-SHELL" else ()
    return Probe(
        command=(*shell, *rest),
        interval_ns=health.interval or DEFAULT_INTERVAL_NS,
        timeout_ns=health.timeout or DEFAULT_TIMEOUT_NS,
        start_period_ns=health.start_period,
        start_interval_ns=health.start_interval or DEFAULT_START_INTERVAL_NS,
        retries=health.retries or DEFAULT_RETRIES,
    )


def record_result(health: Health, probe: Probe, result: ProbeResult, *, started_ns: int) -> bool:
    """Enter one probe's result; tell whether the status changed."""
    before = health.status
    health.log = [*health.log, result][-LOG_LENGTH:]
    if result.exit_code == 0:
        health.status, health.failing_streak = HEALTHY, 0
    elif before != STARTING or result.start_ns - started_ns >= probe.start_period_ns:
        health.failing_streak += 1
        if health.failing_streak >= probe.retries:
            health.status = UNHEALTHY
    return health.status != before


def next_delay_ns(health: Health, probe: Probe, *, started_ns: int, now_ns: int) -> int:
    """How long to wait for the next probe: the wait begins when the last one has ended."""
    in_start_period = now_ns - started_ns < probe.start_period_ns
    return probe.start_interval_ns if in_start_period and health.status == STARTING else probe.interval_ns


def begin_anew(health: Health | None) -> Health:
    """The health of a container that has just started: its log goes on."""
    return Health(log=health.log if health else [])


def inspect_health(health: Health) -> dict[str, Any]:
    """The `State.Health` object of inspect."""
    log = [
        {
            "Start": format_time(result.start_ns),
            "End": format_time(result.end_ns),
            "ExitCode": result.exit_code,
            "Output": result.output,
        }
        for result in health.log
    ]
    return {"Status": health.status, "FailingStreak": health.failing_streak, "Log": log}


def describe_health(health: Health) -> str:
    """In `ps`, after how long it is up."""
    return f"health: {STARTING}" if health.status == STARTING else health.status


def check_health_config(health: HealthConfig | None) -> None:
    """Refuse what Docker refuses, in its words."""
    if health is None:
        return
    durations = {
        "Interval": health.interval,
        "Timeout": health.timeout,
        "StartPeriod": health.start_period,
        "StartInterval": health.start_interval,
    }
    for name, value in durations.items():
        if value and value < MILLISECOND_NS:
            raise InvalidArgument(f"{name} in Healthcheck cannot be less than 1ms")
    if health.retries < 0:
        raise InvalidArgument("Retries in Healthcheck cannot be negative")


def read_on_unhealthy(config: ContainerConfig, annotations: dict[str, str] | None) -> str:
    """What to do with a container that becomes unhealthy: the annotation's word, else the label's, else none."""
    word = (annotations or {}).get(ON_UNHEALTHY) or (config.labels or {}).get(ON_UNHEALTHY) or "none"
    if word not in ON_UNHEALTHY_ACTIONS:
        raise InvalidArgument(f"{ON_UNHEALTHY}: {word!r}: use none, restart or stop")
    return word
