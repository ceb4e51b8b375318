# SPDX-License-Identifier: Apache-2.0
"""Go's durations (``1h30m``, ``1.5s``), which HEALTHCHECK's options are written in."""

from __future__ import annotations

import re
from decimal import Decimal

from sampan.build.dockerfile.location import Misuse

_UNITS_NS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")


def parse_duration_ns(text: str) -> int:
    """Nanoseconds; Misuse in the words of Go's parser."""
    body = text.removeprefix("-") if text.startswith("-") else text.removeprefix("+")
    if body == "0":
        return 0
    total = Decimal(0)
    position = 0
    for part in _PART.finditer(body):
        if part.start() != position:
            break
        total += Decimal(part[1]) * _UNITS_NS[part[2]]
        position = part.end()
    if not body or position != len(body):
        missing = re.fullmatch(r"\d+\.?\d*", body) is not None
        raise Misuse(f'time: {"missing unit in" if missing else "invalid"} duration "{text}"')
    return int(-total if text.startswith("-") else total)


def format_duration(nanoseconds: int) -> str:
    """As Go prints a duration: ``1m30s``, ``1.5s``, ``5ms``, ``0s``."""
    if nanoseconds < 0:
        return "-" + format_duration(-nanoseconds)
    if nanoseconds < _UNITS_NS["s"]:
        for unit in ("ms", "µs", "ns"):
            if nanoseconds >= _UNITS_NS[unit]:
                return _plain(Decimal(nanoseconds) / _UNITS_NS[unit]) + unit
        return "0s"
    minutes, rest = divmod(nanoseconds, _UNITS_NS["m"])
    hours, minutes = divmod(minutes, 60)
    seconds = _plain(Decimal(rest) / _UNITS_NS["s"]) + "s"
    if hours:
        return f"{hours}h{minutes}m{seconds}"
    return f"{minutes}m{seconds}" if minutes else seconds


def _plain(value: Decimal) -> str:
    return format(value.normalize(), "f")
