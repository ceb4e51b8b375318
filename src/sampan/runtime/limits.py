# SPDX-License-Identifier: Apache-2.0
"""Limits that only the parent can set: rlimits and the OOM score of a process.

Neither is worth failing for where the engine itself has too little privilege (no CAP_SYS_RESOURCE, as inside
another container): what could not be had becomes a warning.
"""

from __future__ import annotations

import resource

from sampan.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_UNLIMITED = 1 << 63


def apply_rlimits(pid: int, rlimits: Iterable[dict[str, Any]]) -> list[str]:
    """Set the limits of process `pid` and return warnings."""
    warnings = []
    for entry in rlimits:
        number = getattr(resource, entry["type"], None)
        if not entry["type"].startswith("RLIMIT_") or number is None:
            raise InvalidArgument(f"rlimit {entry['type']}: unknown")
        warnings += _apply(pid, entry["type"], number, (_value(entry["soft"]), _value(entry["hard"])))
    return warnings


def _value(number: int) -> int:
    """JSON has 2^64-1 for "unlimited"; Python says -1."""
    return resource.RLIM_INFINITY if number < 0 or number >= _UNLIMITED else number


def _apply(pid: int, name: str, number: int, wanted: tuple[int, int]) -> list[str]:
    try:
        resource.prlimit(pid, number, wanted)
    except (PermissionError, ValueError):
        hard = resource.prlimit(pid, number)[1]
        resource.prlimit(pid, number, (_smaller(wanted[0], hard), hard))
        return [f"rlimit {name}: {wanted[1]} is above this engine's own limit {hard}, which is used instead"]
    return []


def _smaller(value: int, hard: int) -> int:
    return (
        hard
        if value == resource.RLIM_INFINITY or (hard != resource.RLIM_INFINITY and value > hard)
        else value
    )


def apply_oom_score(pid: int, adjustment: int | None) -> list[str]:
    """Set oom_score_adj of process `pid` and return warnings."""
    if adjustment is None:
        return []
    try:
        with open(f"/proc/{pid}/oom_score_adj", "w", encoding="ascii") as file:
            file.write(str(adjustment))
    except PermissionError:
        return [f"oom score adjustment {adjustment}: not permitted to lower it"]
    return []
