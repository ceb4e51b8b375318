# SPDX-License-Identifier: Apache-2.0
"""Sizes and spans of time as docker words them (github.com/docker/go-units)."""

from __future__ import annotations

import time

_DECIMAL = ("B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB")
_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB")
_MINUTE, _HOUR = 60, 3600


def _scale(size: float, base: float, units: tuple[str, ...], digits: int) -> str:
    index = 0
    while size >= base and index < len(units) - 1:
        size /= base
        index += 1
    return f"{_significant(size, digits)}{units[index]}"


def _significant(number: float, digits: int) -> str:
    """Go's ``%.Ng``, whose exponent, as Python's, has at least two digits."""
    return f"{number:.{digits}g}"


def format_size(size_bytes: float, digits: int = 3) -> str:
    """Powers of 1000: ``1.24MB``."""
    return _scale(size_bytes, 1000.0, _DECIMAL, digits)


def format_binary_size(size_bytes: float) -> str:
    """Powers of 1024: ``1.5MiB``."""
    return _scale(size_bytes, 1024.0, _BINARY, 4)


def format_duration(seconds: float) -> str:
    """``3 minutes``, ``About an hour``, as docker says how long ago something was."""
    hours = int(seconds / _HOUR + 0.5)
    for below, words in (
        (1, "Less than a second"),
        (2, "1 second"),
        (_MINUTE, f"{int(seconds)} seconds"),
        (2 * _MINUTE, "About a minute"),
        (_HOUR, f"{int(seconds / _MINUTE)} minutes"),
    ):
        if int(seconds) < below:
            return words
    if hours == 1:
        return "About an hour"
    return _format_hours(hours, seconds)


def _format_hours(hours: int, seconds: float) -> str:
    if hours < 48:
        return f"{hours} hours"
    if hours < 24 * 7 * 2:
        return f"{hours // 24} days"
    if hours < 24 * 30 * 2:
        return f"{hours // 24 // 7} weeks"
    if hours < 24 * 365 * 2:
        return f"{hours // 24 // 30} months"
    return f"{int(seconds / _HOUR) // 24 // 365} years"


def format_ago(then_s: float, now_s: float | None = None) -> str:
    """``2 hours ago``."""
    return format_duration((time.time() if now_s is None else now_s) - then_s) + " ago"


def format_time(then_s: float) -> str:
    """A moment as Go prints a local time: ``2026-11-23 05:17:12 +0000 UTC``."""
    return time.strftime("%Y-%m-%d %H:%M:%S %z %Z", time.localtime(then_s))
