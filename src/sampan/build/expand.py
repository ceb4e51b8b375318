# SPDX-License-Identifier: Apache-2.0
"""Expand variables in a word, and split words, exactly as BuildKit's shell lexer does.

Implements: the Dockerfile reference, "Environment replacement": ``$x ${x} ${x:-w} ${x:+w} ${x:?w}`` (also
without the colon), ``${x#p} ${x##p} ${x%p} ${x%%p} ${x/p/r} ${x//p/r}``, quotes and the escape character.
Holds: no command substitution, no file globbing; what is unset expands to nothing.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass

from sampan.build.dockerfile.location import Misuse
from sampan.build.quoting import go_quoted

_SPECIAL_PARAMETERS = "@*#?-$!0"
_STAR = "*"


@dataclass(frozen=True, slots=True)
class Expander:
    """How to expand: the escape character, and what to leave in the text for whoever reads it next.

    `raw_quotes` and `raw_escapes` keep quotes and escapes, `keep_unset` keeps ``$x`` where x is not set, and
    `plain_quotes` makes quotes ordinary characters.
    """

    escape: str = "\\"
    raw_quotes: bool = False
    raw_escapes: bool = False
    keep_unset: bool = False
    plain_quotes: bool = False

    def word(self, text: str, env: Mapping[str, str]) -> str:
        """The text with everything expanded, spaces kept."""
        return _Expansion(self, text, env).run()[0]

    def words(self, text: str, env: Mapping[str, str]) -> list[str]:
        """The text expanded, then split at spaces that are not quoted."""
        return _Expansion(self, text, env).run()[1]


class _Words:
    """Collects characters into words; raw ones never end a word."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.current = ""

    def add(self, text: str) -> None:
        for char in text:
            if not char.isspace():
                self.current += char
            elif self.current:
                self.done.append(self.current)
                self.current = ""

    def add_raw(self, text: str) -> None:
        self.current += text

    def finish(self) -> list[str]:
        if self.current:
            self.done.append(self.current)
            self.current = ""
        return self.done


class _Expansion:
    """One pass over one text, with the position in it."""

    def __init__(self, rules: Expander, text: str, env: Mapping[str, str]) -> None:
        self.rules = rules
        self.text = text
        self.env = env
        self.position = 0
        self.raw_escapes = rules.raw_escapes

    def run(self) -> tuple[str, list[str]]:
        try:
            return self._until("", raw_escapes=self.rules.raw_escapes)
        except Misuse as error:
            raise Misuse(f"failed to process {go_quoted(self.text)}: {error.reason}") from None

    def _peek(self) -> str:
        return self.text[self.position : self.position + 1]

    def _next(self) -> str:
        char = self._peek()
        self.position += 1
        return char

    def _until(self, stop: str, *, raw_escapes: bool) -> tuple[str, list[str]]:
        """Everything up to the stop character (which is eaten), or up to the end when there is none."""
        outer, self.raw_escapes = self.raw_escapes, raw_escapes
        try:
            return self._scan(stop)
        finally:
            self.raw_escapes = outer

    def _scan(self, stop: str) -> tuple[str, list[str]]:
        result: list[str] = []
        words = _Words()
        while char := self._peek():
            if char == stop:
                self._next()
                return "".join(result), words.finish()
            if char == "$":
                value = self._dollar()
                words.add(value)
            elif char in "'\"" and not self.rules.plain_quotes:
                value = self._single_quoted() if char == "'" else self._double_quoted()
                words.add_raw(value)
            elif char == self.rules.escape:
                value = self._escaped()
                words.add_raw(value)
            else:
                value = self._next()
                words.add(value)
            result.append(value)
        if stop:
            raise _Unclosed(f"unexpected end of statement while looking for matching {stop}")
        return "".join(result), words.finish()

    def _escaped(self) -> str:
        escape, char = self._next(), self._next()
        return escape + char if self.raw_escapes else char

    def _single_quoted(self) -> str:
        end = self.text.find("'", self.position + 1)
        if end < 0:
            self.position = len(self.text)
            raise _Unclosed("unexpected end of statement while looking for matching single-quote")
        quoted = self.text[self.position : end + 1]
        self.position = end + 1
        return quoted if self.rules.raw_quotes else quoted[1:-1]

    def _double_quoted(self) -> str:
        self._next()
        result: list[str] = []
        while char := self._peek():
            if char == '"':
                self._next()
                inner = "".join(result)
                return f'"{inner}"' if self.rules.raw_quotes else inner
            result.append(self._dollar() if char == "$" else self._quoted_char())
        raise _Unclosed("unexpected end of statement while looking for matching double-quote")

    def _quoted_char(self) -> str:
        """Inside double quotes an escape protects only a quote, a dollar and itself."""
        char = self._next()
        if char != self.rules.escape:
            return char
        kept = char if self.raw_escapes else ""
        following = self._peek()
        if not following:
            return kept
        if following in ('"', "$", self.rules.escape):
            return kept + self._next()
        return kept + char

    def _dollar(self) -> str:
        self._next()
        if self._peek() != "{":
            name = self._name()
            if not name:
                return "$"
            value = self.env.get(name)
            return f"${name}" if value is None and self.rules.keep_unset else value or ""
        self._next()
        following = self._peek()
        if not following:
            raise _Unclosed("syntax error: missing '}'")
        if following in "{}:":
            raise Misuse("syntax error: bad substitution")
        return self._braced(self._name())

    def _braced(self, name: str) -> str:
        operator = self._next()
        value = self.env.get(name)
        if operator == "}":
            return f"${{{name}}}" if value is None and self.rules.keep_unset else value or ""
        if operator == "/":
            return self._replaced(name, value)
        colon = operator == ":"
        if colon:
            operator = self._next()
        if not operator:
            raise _Unclosed("syntax error: missing '}'")
        if operator not in "+-?#%" and not colon:
            raise Misuse(f"unsupported modifier ({operator}) in substitution")
        word = self._inner("}", raw_escapes=operator in "#%")
        if value is None and self.rules.keep_unset:
            return f"${{{name}{':' if colon else ''}{operator}{word}}}"
        return self._modified(name, value, operator, word, colon=colon)

    def _modified(self, name: str, value: str | None, operator: str, word: str, *, colon: bool) -> str:
        absent = value is None or (colon and value == "")
        match operator:
            case "-":
                return word if absent else value or ""
            case "+":
                return "" if absent else word
            case "?":
                if absent:
                    state = "unset" if value is None else "empty"
                    raise Misuse(f"{name}: {word or f'is not allowed to be {state}'}")
                return value or ""
            case "#" | "%" if not colon:
                return _trimmed(value or "", operator, word)
            case _:
                raise Misuse(f"unsupported modifier ({':' if colon else ''}{operator}) in substitution")

    def _replaced(self, name: str, value: str | None) -> str:
        everywhere = self._peek() == "/"
        if everywhere:
            self._next()
        pattern = self._inner("/", raw_escapes=True, missing="syntax error: missing '/' in ${}")
        replacement = self._inner("}", raw_escapes=True)
        if value is None and self.rules.keep_unset:
            return f"${{{name}/{pattern}/{replacement}}}"
        regex = re.compile(_pattern_regex(_pieces(pattern), greedy=True), re.DOTALL)
        return _substituted(regex, replacement, value or "", everywhere=everywhere)

    def _inner(self, stop: str, *, raw_escapes: bool, missing: str = "syntax error: missing '}'") -> str:
        try:
            return self._until(stop, raw_escapes=raw_escapes)[0]
        except _Unclosed:
            raise _Unclosed(missing) from None

    def _name(self) -> str:
        """Letters, digits and underscores; only digits when it begins with one; or one special parameter."""
        start = self.position
        first = self._peek()
        if first and first in _SPECIAL_PARAMETERS and not first.isdigit():
            return self._next()
        while (char := self._peek()) and (
            char.isdigit() if first.isdigit() else char.isalnum() or char == "_"
        ):
            self._next()
        return self.text[start : self.position]


class _Unclosed(Misuse):
    """The text ended inside something."""


def _substituted(regex: re.Pattern[str], replacement: str, value: str, *, everywhere: bool) -> str:
    """As Go does it: nothing at the end of a match is no other match."""
    parts: list[str] = []
    end = 0
    for match in regex.finditer(value):
        if parts and match.start() == match.end() == end:
            continue
        parts += [value[end : match.start()], replacement]
        end = match.end()
        if not everywhere:
            break
    return "".join([*parts, value[end:]])


def _trimmed(value: str, operator: str, word: str) -> str:
    """``#`` and ``%`` cut the shortest match off the start or the end, doubled the longest."""
    greedy = word.startswith(operator)
    pieces = _pieces(word[1:] if greedy else word)
    from_start = operator == "#"
    regex = re.compile(_pattern_regex(pieces if from_start else pieces[::-1], greedy=greedy), re.DOTALL)
    match = regex.match(value if from_start else value[::-1])
    if match is None:
        return value
    return value[match.end() :] if from_start else value[: len(value) - match.end()]


def _pattern_regex(pieces: list[str], *, greedy: bool) -> str:
    """What stands between two stars is looked for once, at its first place: a later one leaves less for the rest.

    So a pattern takes no longer than the text allows, whatever it is.
    """
    stars = [index for index, piece in enumerate(pieces) if piece == _STAR]
    if not stars:
        return "".join(pieces)
    groups = [pieces[start + 1 : end] for start, end in itertools.pairwise(stars)]
    middle = "".join(f"(?>.*?{''.join(group)})" for group in groups)
    last = "".join(pieces[stars[-1] + 1 :])
    return "".join(pieces[: stars[0]]) + middle + (".*" if greedy else ".*?") + last


def _pieces(pattern: str) -> list[str]:
    """A shell pattern of ``*``, ``?`` and backslashes (no brackets), character by character, as regular expressions."""
    out: list[str] = []
    position = 0
    while position < len(pattern):
        char = pattern[position]
        position += 1
        if char == "*":
            out.append(_STAR)
        elif char == "?":
            out.append(".")
        elif char == "\\":
            escaped = pattern[position : position + 1]
            if escaped not in ("}", "/", "*", "?", "\\"):
                raise Misuse(f"invalid pattern ({pattern}) in substitution: invalid escape '\\{escaped}'")
            out.append(re.escape(escaped))
            position += 1
        else:
            out.append(re.escape(char))
    return out
