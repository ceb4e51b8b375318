# SPDX-License-Identifier: Apache-2.0
"""Write values as Go's fmt package does: ``print``, ``println``, ``printf`` and what a bare action prints.

Values are what JSON gives (``None``, bool, int, float, str, list, dict) and `NO_VALUE`, a missing map
entry. A dict is a map, printed with its keys sorted: ``map[a:1 b:2]``; a list is a slice: ``[1 2]``.
"""

from __future__ import annotations

from collections.abc import Sequence

_ESCAPES = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}


class NoValue:
    """The type of `NO_VALUE`, which prints as Go's invalid value."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "<no value>"


NO_VALUE = NoValue()


class Struct(dict[str, object]):
    """An object that Docker holds as a struct: printed by its values, in order: ``{0.0.0.0 8000}``."""


def format_value(value: object) -> str:
    """The verb ``%v``: what an action prints."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if value is None:
        return "<nil>"
    if isinstance(value, float):
        return format_float(value)
    if isinstance(value, Struct):
        return "{" + " ".join(format_value(item) for item in value.values()) + "}"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{format_value(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list | tuple):
        return "[" + " ".join(format_value(item) for item in value) + "]"
    return str(value)


def format_float(value: float) -> str:
    """Go's shortest ``%v`` of a float64: an exponent below 1e-4 and from 1e21."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "+Inf" if value > 0 else "-Inf"
    if value == 0 or 1e-4 <= abs(value) < 1e21:
        return format_fixed(value)
    mantissa, _, exponent = repr(value).partition("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent):+03d}"


def format_fixed(value: float) -> str:
    """All digits of a float that needs no exponent, and no ``.0``."""
    text = repr(value)
    if "e" in text:
        return str(int(value)) if abs(value) >= 1 else f"{value:.20f}".rstrip("0")
    return text.removesuffix(".0")


def print_values(values: Sequence[object]) -> str:
    """``print``: blanks only between two operands of which neither is a string."""
    parts: list[str] = []
    for index, value in enumerate(values):
        if index and not isinstance(value, str) and not isinstance(values[index - 1], str):
            parts.append(" ")
        parts.append(format_value(value))
    return "".join(parts)


def quote(text: str) -> str:
    """The verb ``%q`` of a string: strconv.Quote."""
    return '"' + "".join(_escape(character, '"') for character in text) + '"'


def _escape(character: str, delimiter: str) -> str:
    if character in (delimiter, "\\"):
        return "\\" + character
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def quote_rune(code: int) -> str:
    """The verb ``%q`` of a number: strconv.QuoteRune."""
    return "'" + _escape(chr(code) if code < 0x110000 else "\ufffd", "'") + "'"


def go_type(value: object) -> str:
    """The name that Go's errors give to a value's type."""
    if value is None or value is NO_VALUE:
        return "<nil>"
    named = getattr(value, "go_type", None)
    if isinstance(named, str):
        return named
    for kind, name in _TYPES:
        if isinstance(value, kind):
            return name
    return type(value).__name__


_TYPES: tuple[tuple[type, str], ...] = (
    (bool, "bool"),
    (int, "int"),
    (float, "float64"),
    (str, "string"),
    (list, "[]interface {}"),
    (tuple, "[]string"),
    (dict, "map[string]interface {}"),
)
