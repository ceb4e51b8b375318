# SPDX-License-Identifier: Apache-2.0
"""Reading query parameters the way Docker's server does (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Any

import msgspec

from sampan.errors import InvalidArgument
from sampan.oci.platform import Platform, parse_platform

FALSE_WORDS = frozenset({"", "0", "no", "false", "none"})


def flag(query: Mapping[str, str], name: str, *, default: bool = False) -> bool:
    """A boolean: absent means the default; empty, 0, no, false and none are false, all else true."""
    value = query.get(name)
    return default if value is None else value.strip().lower() not in FALSE_WORDS


def integer(query: Mapping[str, str], name: str, default: int = 0) -> int:
    """A whole number, or the default where it is absent or empty."""
    value = query.get(name, "")
    if not value:
        return default
    try:
        return int(value)
    except ValueError:
        raise InvalidArgument(f'strconv.Atoi: parsing "{value}": invalid syntax') from None


def platform(query: Mapping[str, str]) -> Platform | None:
    """A platform: newer calls have it as JSON, older ones in words."""
    text = query.get("platform", "")
    if not text:
        return None
    try:
        source = msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError:
        return parse_platform(text)
    names = ("os", "architecture", "variant")
    return parse_platform("/".join(str(source[name]) for name in names if source.get(name)))


def console_size(query: Mapping[str, str]) -> tuple[int, int]:
    """`h` and `w` of a terminal: rows and columns, which the kernel holds in 16 bits each."""
    return _console_length(query.get("h", ""), "height"), _console_length(query.get("w", ""), "width")


def _console_length(text: str, word: str) -> int:
    if not text.isdecimal():
        raise InvalidArgument(f'invalid resize {word} "{text}": invalid syntax')
    if int(text) > 0xFFFF:
        raise InvalidArgument(f'invalid resize {word} "{text}": value out of range')
    return int(text)


def optional_integer(query: Mapping[str, str], name: str) -> int | None:
    """A whole number, or None where it is absent or empty."""
    return integer(query, name) if query.get(name) else None


def filters(query: Mapping[str, str], allowed: frozenset[str]) -> dict[str, list[str]]:
    """The `filters` parameter: `{"name": ["a"]}`, or the older `{"name": {"a": true}}`, whose truth Docker ignores."""
    text = query.get("filters", "")
    if not text:
        return {}
    try:
        raw = msgspec.json.decode(text, type=dict[str, list[str] | dict[str, bool]] | None) or {}
    except msgspec.MsgspecError:
        raise InvalidArgument(f"invalid filter: {text}") from None
    for name in raw:
        if name not in allowed:
            raise InvalidArgument(f"invalid filter '{name}'")
    return {name: list(values) for name, values in raw.items()}


def timestamp_ns(text: str) -> int:
    """`since` and `until`: seconds with up to nine decimals → nanoseconds; RFC 3339 as well."""
    seconds, _, fraction = text.partition(".")
    if seconds.lstrip("-").isdigit() and (not fraction or fraction.isdigit()):
        return int(seconds) * 1_000_000_000 + int((fraction + "0" * 9)[:9])
    from datetime import datetime

    try:
        moment = datetime.fromisoformat(_trim_fraction(text))
    except ValueError:
        raise InvalidArgument(f'invalid value for timestamp: "{text}"') from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1_000_000) * 1000


def _trim_fraction(text: str) -> str:
    """Python reads six decimals, Docker writes nine."""
    head, dot, tail = text.partition(".")
    if not dot:
        return text
    digits = len(tail) - len(tail.lstrip("0123456789"))
    return f"{head}.{(tail[:digits] + '0' * 6)[:6]}{tail[digits:]}"
