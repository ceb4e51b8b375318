# SPDX-License-Identifier: Apache-2.0
"""Durations as compose has them: ``1w2d3h4m5s6ms`` in, Go's ``1h30m0s`` out; nanoseconds within."""

from __future__ import annotations

import re

from sampan.errors import InvalidArgument

_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
    "w": 604_800_000_000_000,
}
_PART = re.compile(r"([0-9]*)(?:\.([0-9]*))?(ns|us|µs|μs|ms|s|m|h|d|w)", re.ASCII)
_LARGEST = (1 << 63) - 1


def parse_duration(text: str) -> int:
    """Nanoseconds."""
    sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if rest == "0":
        return 0
    total, at = 0, 0
    while at < len(rest):
        match = _PART.match(rest, at)
        if match is None or not (match[1] or match[2]):
            raise _invalid(text)
        total += _scaled(match[1], match[2] or "", _UNITS[match[3]])
        at = match.end()
    if not rest or total > _LARGEST:
        raise _invalid(text)
    return sign * total


def _invalid(text: str) -> InvalidArgument:
    return InvalidArgument(f'"{text}" is not a duration', hint="for example 30s, 1m30s or 500ms")


def _scaled(whole: str, fraction: str, unit: int) -> int:
    if len(whole) + len(fraction) > 30:
        return _LARGEST + 1
    return int(whole or "0") * unit + (int(fraction) * unit // 10 ** len(fraction) if fraction else 0)


def format_duration(nanoseconds: int) -> str:
    """As Go's time.Duration prints."""
    if not nanoseconds:
        return "0s"
    sign, left = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    for unit in ("ns", "µs", "ms"):
        if left < _UNITS[unit] * 1000:
            return f"{sign}{_fraction(left, _UNITS[unit])}{unit}"
    hours, left = divmod(left, _UNITS["h"])
    minutes, left = divmod(left, _UNITS["m"])
    seconds = f"{_fraction(left, _UNITS['s'])}s"
    if hours:
        return f"{sign}{hours}h{minutes}m{seconds}"
    return f"{sign}{minutes}m{seconds}" if minutes else f"{sign}{seconds}"


def _fraction(value: int, unit: int) -> str:
    whole, rest = divmod(value, unit)
    digits = str(rest).zfill(len(str(unit)) - 1).rstrip("0") if rest else ""
    return f"{whole}.{digits}" if digits else str(whole)
