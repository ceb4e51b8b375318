# SPDX-License-Identifier: Apache-2.0
"""Variables in text: ``$NAME``, ``${NAME}``, the forms with ``:-`` ``-`` ``:?`` ``?`` ``:+`` ``+``, and ``$$``.

Implements: the Compose specification, "Interpolation". Words after an operator may hold variables again, to
any depth that braces can be matched. Pure: what a name means and what to do about one that is not set are
the caller's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from sampan.errors import InvalidArgument

Lookup = Callable[[str], str | None]

_NAME = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*", re.ASCII)
_OPERATORS = (":-", ":?", ":+", "-", "?", "+")
_MAX_DEPTH = 50


class InvalidTemplateError(InvalidArgument):
    """Text whose ``$`` begins nothing that is known."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"invalid interpolation format: {text!r}",
            hint="write $$ for a dollar sign that stands for itself",
        )


class RequiredVariableError(InvalidArgument):
    """``${NAME:?reason}`` without a value."""

    def __init__(self, name: str, reason: str) -> None:
        words = f"required variable {name} is missing a value"
        super().__init__(f"{words}: {reason}" if reason else words)
        self.name = name


class Variable(NamedTuple):
    """One use of a variable; `operator` is empty or one of the six, `word` what follows it."""

    name: str
    operator: str = ""
    word: str = ""


def split_template(text: str) -> Iterator[str | Variable]:
    """The pieces of a text in turn: literal ones, and variables."""
    start = 0
    while (dollar := text.find("$", start)) >= 0:
        if dollar > start:
            yield text[start:dollar]
        start = dollar + 1
        if text.startswith("$", start):
            yield "$"
            start += 1
        elif text.startswith("{", start):
            end = _closing_brace(text, start)
            yield _braced(text, text[start + 1 : end])
            start = end + 1
        elif match := _NAME.match(text, start):
            yield Variable(match[0])
            start = match.end()
        else:
            raise InvalidTemplateError(text)
    if start < len(text):
        yield text[start:]


def _closing_brace(text: str, start: int) -> int:
    depth = 0
    for index in range(start, len(text)):
        if text[index] == "{":
            depth += 1
            if depth > _MAX_DEPTH:
                break
        elif text[index] == "}":
            depth -= 1
            if not depth:
                return index
    raise InvalidTemplateError(text)


def _braced(text: str, inside: str) -> Variable:
    match = _NAME.match(inside)
    if match is None:
        raise InvalidTemplateError(text)
    rest = inside[match.end() :]
    if not rest:
        return Variable(match[0])
    for operator in _OPERATORS:
        if rest.startswith(operator):
            return Variable(match[0], operator, rest[len(operator) :])
    raise InvalidTemplateError(text)


def substitute(text: str, lookup: Lookup, *, unset: Callable[[str], None]) -> str:
    """Put the values in; `unset` hears of each plain variable that has none and becomes empty."""
    if "$" not in text:
        return text
    pieces = split_template(text)
    return "".join(piece if isinstance(piece, str) else _value(piece, lookup, unset) for piece in pieces)


def _value(variable: Variable, lookup: Lookup, unset: Callable[[str], None]) -> str:
    value = lookup(variable.name)
    if not variable.operator:
        if value is None:
            unset(variable.name)
        return value or ""
    is_there = value is not None and (variable.operator[0] != ":" or value != "")
    kind = variable.operator[-1]
    if kind == "+":
        return substitute(variable.word, lookup, unset=unset) if is_there else value or ""
    if is_there:
        return value or ""
    word = substitute(variable.word, lookup, unset=unset)
    if kind == "?":
        raise RequiredVariableError(variable.name, word)
    return word


def iter_variables(text: str) -> Iterator[Variable]:
    """Every variable that a text uses, also in the words of others."""
    if "$" not in text:
        return
    for piece in split_template(text):
        if isinstance(piece, Variable):
            yield piece
            yield from iter_variables(piece.word)
