# SPDX-License-Identifier: Apache-2.0
"""Numbers with a fraction as Go writes them: general (``1e+06``) for people and YAML, plain for JSON."""

from __future__ import annotations

from decimal import Decimal
from struct import pack, unpack


class Single(float):
    """A number that compose holds with 32 bits, and writes with as few digits as those need."""


def format_general(value: float) -> str:
    """Go's ``%v``: an exponent from a million up, and below a ten-thousandth."""
    if value != value or value in (float("inf"), float("-inf")):
        return {"inf": "+Inf", "-inf": "-Inf"}.get(str(value), "NaN")
    sign, digits, exponent = _shortest(value).as_tuple()
    assert isinstance(exponent, int)
    power = len(digits) - 1 + exponent
    if -5 < power < 6 or not value:
        return f"{_shortest(value):f}"
    mantissa = str(digits[0]) + ("." + "".join(map(str, digits[1:])) if len(digits) > 1 else "")
    return f"{'-' if sign else ''}{mantissa}e{'-' if power < 0 else '+'}{abs(power):02}"


def format_plain(value: float) -> str:
    """Go's encoding/json: an exponent only for what is very large or very small."""
    if value and not 1e-6 <= abs(value) < 1e21:
        mantissa, _, power = format_general(value).partition("e")
        return f"{mantissa}e{power[0]}{power[1:].lstrip('0')}"
    return f"{_shortest(value):f}"


def _shortest(value: float) -> Decimal:
    """The fewest digits that are read back as the same number."""
    text = _single_digits(value) if isinstance(value, Single) else float.__repr__(value)
    shortest = Decimal(text).normalize()
    return shortest if value else abs(shortest)


def _single_digits(value: float) -> str:
    held = unpack("f", pack("f", value))[0]
    for digits in range(1, 9):
        text = f"{held:.{digits}g}"
        if unpack("f", pack("f", float(text)))[0] == held:
            return text
    return f"{held:.9g}"
