# SPDX-License-Identifier: Apache-2.0
"""The status of a container in words, as `docker ps` shows it (pure).

Source: moby `container/state.go` String and go-units HumanDuration.
"""

from __future__ import annotations

from sampan.engine.healthstate import describe_health
from sampan.engine.model import State

SECOND_NS = 1_000_000_000


def describe_status(state: State, *, now_ns: int) -> str:
    """`Up 3 minutes`, `Exited (0) 2 hours ago`, `Created` …"""
    if state.status == "running":
        health = f" ({describe_health(state.health)})" if state.health else ""
        return f"Up {format_duration(now_ns - state.started_ns)}{health}"
    if state.status == "paused":
        return f"Up {format_duration(now_ns - state.started_ns)} (Paused)"
    if state.status == "restarting":
        return f"Restarting ({state.exit_code}) {format_duration(now_ns - state.finished_ns)} ago"
    if state.status == "removing":
        return "Removal In Progress"
    if state.status == "dead":
        return "Dead"
    if state.started_ns == 0 or state.finished_ns == 0:
        return "Created"
    return f"Exited ({state.exit_code}) {format_duration(now_ns - state.finished_ns)} ago"


def format_duration(duration_ns: int) -> str:
    """A duration the way people say it: `About a minute`, `5 hours`, `3 weeks`."""
    seconds = duration_ns // SECOND_NS
    if seconds < 1:
        return "Less than a second"
    if seconds == 1:
        return "1 second"
    if seconds < 60:
        return f"{seconds} seconds"
    minutes = seconds // 60
    if minutes == 1:
        return "About a minute"
    if minutes < 60:
        return f"{minutes} minutes"
    hours = (seconds + 1800) // 3600
    if hours == 1:
        return "About an hour"
    if hours < 48:
        return f"{hours} hours"
    return _format_days(hours)


def _format_days(hours: int) -> str:
    if hours < 24 * 7 * 2:
        return f"{hours // 24} days"
    if hours < 24 * 30 * 2:
        return f"{hours // 24 // 7} weeks"
    if hours < 24 * 365 * 2:
        return f"{hours // 24 // 30} months"
    return f"{hours // 24 // 365} years"
