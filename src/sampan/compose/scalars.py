# SPDX-License-Identifier: Apache-2.0
"""What a plain scalar of YAML means: text, number, boolean or nothing.

Implements: the resolution of go-yaml v3, which Docker Compose reads with: YAML 1.2's words, so ``yes`` and
``on`` are text, but octal numbers of YAML 1.1 (``0644``) are still numbers. Kept on purpose: ``08`` is 8.0.
Unlike there, a date stays the text it is written as.
"""

from __future__ import annotations

import re

Scalar = str | int | float | bool | None

_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
}
_INTEGER = re.compile(r"([-+]?)(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)\Z", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ].*)?\Z", re.ASCII | re.DOTALL)
_BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?\Z", re.ASCII)
_OLD_BOOLEANS = frozenset(("y", "Y", "yes", "Yes", "YES", "on", "On", "ON")) | frozenset(
    ("n", "N", "no", "No", "NO", "off", "Off", "OFF")
)
_BASES = {"0x": 16, "0b": 2, "0o": 8}


def resolve_scalar(text: str) -> Scalar:
    """The value of a scalar without quotes."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "0123456789+-." or _DATE.match(text):
        return text
    digits = text.replace("_", "")
    match = _INTEGER.match(digits)
    if match is not None:
        return _integer(match[1], match[2])
    return float(digits) if _FLOAT.match(digits) else text


def _integer(sign: str, digits: str) -> int | float:
    base = _BASES.get(digits[:2].lower(), 8 if digits[0] == "0" and len(digits) > 1 else 10)
    if len(digits) > 64 and base == 10:
        return float(sign + digits)
    value = int(digits, base) * (-1 if sign == "-" else 1)
    return value if -(1 << 63) <= value < 1 << 64 else float(value)


def needs_quotes(text: str) -> bool:
    """Whether text without quotes would be read as something else, by YAML 1.2 or by 1.1."""
    if text in _OLD_BOOLEANS or _BASE_60.match(text):
        return True
    return not isinstance(resolve_scalar(text), str) or _DATE.match(text) is not None
