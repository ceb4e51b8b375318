# SPDX-License-Identifier: Apache-2.0
"""Read the quantities of a command line: sizes, durations, numbers of processors, resource limits.

Same grammar and words as docker's: go-units for ulimits, Go's time.ParseDuration, and its rational numbers for
``--cpus``; sizes in bytes are in `sampan.client.sizes`. Everything raises InvalidArgument with the reason
alone; `invalid_flag` adds where.
"""

from __future__ import annotations

from sampan.cli.flags import FlagError
from sampan.client.sizes import parse_size
from sampan.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")

_NANOSECONDS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_ULIMITS = frozenset(
    [
        "core",
        "cpu",
        "data",
        "fsize",
        "locks",
        "memlock",
        "msgqueue",
        "nice",
        "nofile",
        "nproc",
        "rss",
        "rtprio",
        "rttime",
        "sigpending",
        "stack",
    ]
)


def read_flag(label: str, word: str, parse: Callable[[str], T]) -> T:
    """What `parse` makes of a flag's word; its complaint becomes pflag's, which names the flag."""
    try:
        return parse(word)
    except FlagError:
        raise
    except InvalidArgument as error:
        quoted = word.replace("\\", "\\\\").replace('"', '\\"')
        raise FlagError(f'invalid argument "{quoted}" for "{label}" flag: {error.message}') from None


def parse_swap(text: str) -> int:
    """A size, or -1 for no limit."""
    return -1 if text == "-1" else parse_size(text)


def parse_duration(text: str) -> int:
    """Nanoseconds from Go's ``1h30m``, ``1.5s``, ``100ms``; ``0`` needs no unit."""
    sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if rest == "0":
        return 0
    if not rest:
        raise InvalidArgument(f'time: invalid duration "{text}"')
    total = 0
    while rest:
        number, rest = _leading(rest, "0123456789.")
        unit, rest = _leading_unit(rest)
        if number in ("", ".") or number.count(".") > 1:
            raise InvalidArgument(f'time: invalid duration "{text}"')
        if not unit:
            raise InvalidArgument(f'time: missing unit in duration "{text}"')
        if unit not in _NANOSECONDS:
            raise InvalidArgument(f'time: unknown unit "{unit}" in duration "{text}"')
        total += _scaled(number, _NANOSECONDS[unit])
    return sign * total


def _leading(text: str, characters: str) -> tuple[str, str]:
    rest = text.lstrip(characters)
    return text[: len(text) - len(rest)], rest


def _leading_unit(text: str) -> tuple[str, str]:
    end = 0
    while end < len(text) and text[end] not in "0123456789.":
        end += 1
    return text[:end], text[end:]


def _scaled(number: str, unit: int) -> int:
    whole, _, fraction = number.partition(".")
    return int(whole or "0") * unit + (int(fraction) * unit // 10 ** len(fraction) if fraction else 0)


def parse_cpus(text: str) -> int:
    """Billionths of a processor from ``1.5`` or ``3/2``."""
    number, _, divisor = text.partition("/")
    mantissa, _, exponent = number.lower().partition("e")
    whole, _, fraction = mantissa.removeprefix("-").removeprefix("+").partition(".")
    power = exponent.removeprefix("-").removeprefix("+") or "0"
    if not all(part.isdecimal() for part in (whole + fraction, divisor or "1", power)) or len(power) > 2:
        raise InvalidArgument(f"failed to parse {text} as a rational number")
    shift = int(exponent or 0)
    above = int(whole + fraction) * int(10 ** (9 + max(shift, 0)))
    below = int(10 ** (len(fraction) + max(-shift, 0))) * int(divisor or 1)
    if not below:
        raise InvalidArgument(f"failed to parse {text} as a rational number")
    if above % below:
        raise InvalidArgument("value is too precise")
    return -(above // below) if mantissa.startswith("-") else above // below


def parse_ulimit(text: str) -> dict[str, object]:
    """``nofile=1024:2048`` as the Engine API's Ulimit."""
    name, equals, limits = text.partition("=")
    if not equals:
        raise InvalidArgument(f"invalid ulimit argument: {text}")
    if name not in _ULIMITS:
        raise InvalidArgument(f"invalid ulimit type: {name}")
    parts = limits.split(":")
    if len(parts) > 2:
        raise InvalidArgument(
            f"too many limit value arguments - {limits}, can only have up to two, `soft[:hard]`"
        )
    soft = parse_integer(parts[0])
    hard = parse_integer(parts[1]) if len(parts) > 1 else soft
    if hard != -1 and (soft == -1 or soft > hard):
        found = f"soft: -1 (unlimited), hard: {hard}" if soft == -1 else f"{soft} > {hard}"
        raise InvalidArgument(f"ulimit soft limit must be less than or equal to hard limit: {found}")
    return {"Name": name, "Hard": hard, "Soft": soft}


def parse_integer(text: str) -> int:
    """A decimal whole number, or Go's complaint."""
    try:
        return int(text)
    except ValueError:
        raise InvalidArgument(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None
