# SPDX-License-Identifier: Apache-2.0
"""Moments on a command line: ``--since 42m``, ``--until 2013-01-02T13:23:37Z``, ``--since 1136073600``.

Follows docker's `timestamp.GetTimestamp`: what the engine gets is seconds, with nine digits of fraction.
"""

from __future__ import annotations

import time

from sampan.errors import InvalidArgument


def parse_timestamp(word: str, now_s: float | None = None) -> str:
    """A span back from now, a date in RFC 3339 (shortened, local where no zone is given) or Unix seconds."""
    if not word:
        return ""
    span = _parse_span(word)
    if span is not None:
        return str(int((time.time() if now_s is None else now_s) - span))
    if _is_unix(word):
        return word
    return _parse_date(word)


def _parse_span(word: str) -> float | None:
    if word == "0" or word[-1] not in "smh":
        return None
    from sampan.cli.sizes import parse_duration

    try:
        return parse_duration(word) / 1e9
    except InvalidArgument:
        return None


def _is_unix(word: str) -> bool:
    seconds, _, fraction = word.partition(".")
    return seconds.isdecimal() and (not fraction or fraction.isdecimal())


def _parse_date(word: str) -> str:
    from datetime import datetime

    fraction = ""
    head, dot, rest = word.partition(".")
    if dot:  # datetime knows microseconds, the engine nanoseconds
        digits = len(rest) - len(rest.lstrip("0123456789"))
        fraction, word = rest[:digits], head + rest[digits:]
    try:
        moment = datetime.fromisoformat(word).astimezone()
    except ValueError:
        raise InvalidArgument(f'failed to parse value as time or duration: "{word}"') from None
    return f"{int(moment.timestamp())}.{fraction[:9]:0<9}"


def format_nanoseconds(time_ns: int) -> str:
    """RFC 3339 with all nine digits, in local time: ``2026-11-23T05:17:12.000000000Z``."""
    seconds, rest = divmod(time_ns, 1_000_000_000)
    moment = time.localtime(seconds)
    zone = time.strftime("%z", moment)
    shown = "Z" if zone == "+0000" else f"{zone[:3]}:{zone[3:]}"
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', moment)}.{rest:09d}{shown}"


def format_rfc3339(then_s: float) -> str:
    """RFC 3339 without a fraction, in local time."""
    whole, _, rest = format_nanoseconds(int(then_s) * 1_000_000_000).partition(".")
    return whole + rest[9:]
