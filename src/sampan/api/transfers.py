# SPDX-License-Identifier: Apache-2.0
"""A transfer's lines as Docker's JSON messages, with the bar that old clients print as it is. Pure.

Implements: moby pkg/jsonmessage: JSONMessage, JSONProgress.String.
"""

from __future__ import annotations

from typing import Any

from sampan.image.transfer import Line

_WIDTH = 50
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def transfer_line(line: Line) -> dict[str, Any]:
    """One JSON message."""
    if line.aux is not None:
        return {"progressDetail": {}, "aux": dict(line.aux)}
    message: dict[str, Any] = {"status": line.status}
    if line.total:
        message["progressDetail"] = {"current": line.current, "total": line.total}
        message["progress"] = format_bar(line.current, line.total)
    elif line.is_step:
        message["progressDetail"] = {}
    if line.id:
        message["id"] = line.id
    return message


def format_bar(current: int, total: int) -> str:
    """``[=====>    ]  1.5MB/12MB``, as wide as Docker's."""
    part = min(current * 100 // total, 100) // 2
    return f"[{'=' * part}>{' ' * (_WIDTH - part)}] {format_size(current):>8}/{format_size(total)}"


def format_size(size: float) -> str:
    """Four digits at most, in powers of a thousand."""
    unit = 0
    while size >= 1000 and unit < len(_UNITS) - 1:
        size /= 1000
        unit += 1
    return f"{size:.4g}{_UNITS[unit]}"
