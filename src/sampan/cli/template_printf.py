# SPDX-License-Identifier: Apache-2.0
"""``printf`` with Go's verbs, flags, widths and precisions, and Go's marks for mistakes (``%!d(string=x)``).

Implements the part of Go's fmt documentation that has a meaning for JSON values; explicit argument indexes
(``%[1]d``) included, pointers and complex numbers not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from sampan.cli.template_format import format_float, format_value, go_type, quote, quote_rune

_DIRECTIVE = re.compile(r"%([-+# 0]*)(?:\[(\d+)\])?(\*|\d+)?(?:(\.)(\*|\d+)?)?(?:\[(\d+)\])?(.)?", re.DOTALL)


def printf(template: str, values: Sequence[object]) -> str:
    """fmt.Sprintf."""
    state = _Arguments(values)
    text = _DIRECTIVE.sub(lambda match: _directive(match, state), template)
    return text + state.extra()


class _Arguments:
    """The operands, taken one after another unless an index says otherwise."""

    def __init__(self, values: Sequence[object]) -> None:
        self._values = values
        self._next = 0
        self._reordered = False

    def seek(self, index: str | None) -> None:
        if index:
            self._next = int(index) - 1
            self._reordered = True

    def has_next(self) -> bool:
        return 0 <= self._next < len(self._values)

    def take(self) -> object:
        self._next += 1
        return self._values[self._next - 1]

    def take_number(self, text: str | None) -> int | None:
        """A width or precision: written out, or an operand when it is ``*``."""
        if text != "*":
            return int(text) if text else None
        value = self.take() if self.has_next() else None
        return value if isinstance(value, int) else None

    def extra(self) -> str:
        if self._reordered or not self.has_next():
            return ""
        rest = self._values[self._next :]
        return "%!(EXTRA " + ", ".join(_typed(value) for value in rest) + ")"


class _Shape:
    """Flags, width and precision of one directive."""

    def __init__(self, flags: str, width: int | None, precision: int | None) -> None:
        self.left = "-" in flags or (width or 0) < 0
        self.plus = "+" in flags
        self.sharp = "#" in flags
        self.blank = " " in flags
        self.zero = "0" in flags and not self.left
        self.width = abs(width or 0)
        self.precision = precision

    def pad(self, text: str, *, numeric: bool = False) -> str:
        missing = self.width - len(text)
        if missing <= 0:
            return text
        if self.left:
            return text + " " * missing
        if self.zero:
            sign = text[:1] if numeric and text[:1] in ("+", "-", " ") else ""
            return sign + "0" * missing + text[len(sign) :]
        return " " * missing + text

    def sign(self, *, negative: bool) -> str:
        return "-" if negative else "+" if self.plus else " " if self.blank else ""


def _directive(match: re.Match[str], arguments: _Arguments) -> str:
    flags, early_index, width, dot, precision, index, verb = match.groups()
    if verb == "%":
        return "%"
    arguments.seek(early_index)
    wide = arguments.take_number(width)
    precise = arguments.take_number(precision) if precision else (0 if dot else None)
    arguments.seek(index)
    if verb is None:
        return "%!(NOVERB)"
    if not arguments.has_next():
        return f"%!{verb}(BADINDEX)" if index or early_index else f"%!{verb}(MISSING)"
    return _format(verb, arguments.take(), _Shape(flags, wide, precise))


def _typed(value: object) -> str:
    return "<nil>" if value is None else f"{go_type(value)}={format_value(value)}"


def _bad(verb: str, value: object) -> str:
    return f"%!{verb}({_typed(value)})"


def _format(verb: str, value: object, shape: _Shape) -> str:
    if verb == "T":
        return shape.pad(go_type(value))
    if value is None:
        return shape.pad("<nil>") if verb == "v" else f"%!{verb}(<nil>)"
    if isinstance(value, bool):
        return shape.pad(format_value(value)) if verb in "tv" else _bad(verb, value)
    if isinstance(value, int):
        return _format_integer(verb, value, shape)
    if isinstance(value, float):
        return _format_float(verb, value, shape)
    if isinstance(value, str):
        return _format_string(verb, value, shape)
    if isinstance(value, dict):
        pairs = (f"{_format('v', key, shape)}:{_format(verb, value[key], shape)}" for key in sorted(value))
        return "map[" + " ".join(pairs) + "]"
    if isinstance(value, list | tuple):
        return "[" + " ".join(_format(verb, item, shape) for item in value) + "]"
    return shape.pad(format_value(value))


def _format_integer(verb: str, value: int, shape: _Shape) -> str:
    if verb in _RADIX:
        prefix, spec = _RADIX[verb]
        digits = format(abs(value), spec)
        if shape.precision is not None:
            digits = digits.rjust(shape.precision, "0")
        if shape.sharp or verb == "O":
            digits = prefix + digits
        return shape.pad(shape.sign(negative=value < 0) + digits, numeric=shape.precision is None)
    if verb == "c":
        return shape.pad(chr(value))
    if verb == "q":
        return shape.pad(quote_rune(value))
    if verb == "U":
        return shape.pad(f"U+{value:04X}")
    return _bad(verb, value)


_RADIX = {
    "d": ("", "d"),
    "v": ("", "d"),
    "b": ("0b", "b"),
    "o": ("0", "o"),
    "O": ("0o", "o"),
    "x": ("0x", "x"),
    "X": ("0X", "X"),
}


def _format_float(verb: str, value: float, shape: _Shape) -> str:
    if verb == "v" or (verb in "gG" and shape.precision is None):
        digits = format_float(abs(value))
    elif verb in "eEfFgG":
        digits = format(abs(value), f".{6 if shape.precision is None else shape.precision}{verb}")
    else:
        return _bad(verb, value)
    return shape.pad(shape.sign(negative=value < 0) + digits, numeric=True)


def _format_string(verb: str, value: str, shape: _Shape) -> str:
    transform = _STRINGS.get(verb)
    if transform is None:
        return _bad(verb, value)
    if shape.precision is not None:
        value = value[: shape.precision]
    if verb == "q" and shape.sharp and "`" not in value:
        return shape.pad(f"`{value}`")
    return shape.pad(transform(value))


_STRINGS: dict[str, Callable[[str], str]] = {
    "s": str,
    "v": str,
    "q": quote,
    "x": lambda value: value.encode().hex(),
    "X": lambda value: value.encode().hex().upper(),
}
