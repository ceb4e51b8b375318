# SPDX-License-Identifier: Apache-2.0
r"""Files of variables: ``.env``, ``--env-file`` and a service's ``env_file``.

Implements: the Compose specification, "Interpolation" and ".env file syntax", as compose's own reader does:
``export``, ``#`` comments, ``NAME: value`` beside ``NAME=value``, single quotes (as written), double quotes
(escapes, then variables), values over several lines in quotes, and names alone, which are inherited.
"""

from __future__ import annotations

import re

from sampan.compose.errors import ComposeError, Mark
from sampan.compose.template import Lookup, substitute
from sampan.errors import InvalidArgument

_BLANKS = "\t\v\f\r \x85\xa0"
_ESCAPE = re.compile(r'\\(?:[abcfnrtv$"\\]|0[0-9]{0,3})', re.ASCII)
_ESCAPED = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", '"': '"', "\\": "\\"}
_EXPORT = re.compile(r"export\s+")


def parse_dotenv(
    text: str, lookup: Lookup, *, file: str, into: dict[str, str] | None = None
) -> dict[str, str]:
    """The variables of a file; what they refer to is asked of `lookup` first, then of the lines above."""
    return _Reader(text.removeprefix("\ufeff"), lookup, file, {} if into is None else into).read()


def parse_raw_env(text: str, lookup: Lookup, *, file: str) -> dict[str, str]:
    """``format: raw``: one ``NAME=value`` a line, nothing unquoted or put in."""
    values = {}
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        line = line.removesuffix("\r").lstrip(" \t")
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not name or any(blank in name for blank in " \t"):
            raise ComposeError(f"invalid variable name in '{line}'", mark=Mark(file, number))
        found = value if equals else lookup(name)
        if found is not None:
            values[name] = found
    return values


class _Reader:
    def __init__(self, text: str, lookup: Lookup, file: str, values: dict[str, str]) -> None:
        self._text = text
        self._lookup = lookup
        self._file = file
        self._values = values
        self._at = 0

    def read(self) -> dict[str, str]:
        while self._skip_to_statement():
            match = _EXPORT.match(self._text, self._at)
            if match is not None:
                self._at = match.end()
            name, inherited = self._name()
            if inherited:
                value = self._lookup(name)
                if value is not None:
                    self._values[name] = value
            else:
                self._values[name] = self._value()
        return self._values

    def _skip_to_statement(self) -> bool:
        while self._at < len(self._text):
            if self._text[self._at].isspace():
                self._at += 1
            elif self._text[self._at] == "#":
                end = self._text.find("\n", self._at)
                self._at = len(self._text) if end < 0 else end
            else:
                return True
        return False

    def _name(self) -> tuple[str, bool]:
        start = self._at
        for index in range(start, len(self._text)):
            character = self._text[index]
            if character in "=:\n":
                self._at = index + 1
                name = self._checked_name(self._text[start:index].rstrip())
                return name, character == "\n"
            if character not in _BLANKS and character not in "_.-[]" and not character.isalnum():
                line = self._text[start:].partition("\n")[0]
                self._at = start
                raise self._error(f'unexpected character "{character}" in variable name "{line}"')
        self._at = len(self._text)
        return self._checked_name(self._text[start:].rstrip()), True

    def _checked_name(self, name: str) -> str:
        if " " in name:
            raise self._error("key cannot contain a space")
        return name

    def _value(self) -> str:
        while self._at < len(self._text) and self._text[self._at] in _BLANKS:
            self._at += 1
        quote = self._text[self._at : self._at + 1]
        if quote in ("'", '"') and quote:
            return self._quoted(quote)
        end = self._text.find("\n", self._at)
        end = len(self._text) if end < 0 else end
        value = self._text[self._at : end].partition(" #")[0].rstrip()
        value = self._expand(value)
        self._at = end + 1
        return value

    def _quoted(self, quote: str) -> str:
        pieces = []
        index = self._at + 1
        while index < len(self._text):
            character = self._text[index]
            if character == "\\" and self._text[index + 1 : index + 2] == quote:
                pieces.append(quote)
                index += 2
            elif character == "\\":
                pieces.append(self._text[index : index + 2])
                index += 2
            elif character == quote:
                value = "".join(pieces)
                if quote == '"':
                    value = self._expand(_ESCAPE.sub(_unescape, value))
                self._at = index + 1
                return value
            else:
                pieces.append(character)
                index += 1
        line = self._text[self._at :].partition("\n")[0]
        raise self._error(f"unterminated quoted value {line}")

    def _expand(self, value: str) -> str:
        def lookup(name: str) -> str | None:
            found = self._lookup(name)
            return self._values.get(name) if found is None else found

        try:
            return substitute(value, lookup, unset=lambda _name: None)
        except InvalidArgument as error:
            raise self._error(error.message) from None

    def _error(self, reason: str) -> ComposeError:
        line = self._text.count("\n", 0, self._at) + 1
        return ComposeError(reason, mark=Mark(self._file, line))


def _unescape(match: re.Match[str]) -> str:
    escape = match[0][1:]
    if escape == "$":
        return "$$"
    if (
        escape[0] == "0"
        and len(escape) == 4
        and escape[1:].translate({ord(d): None for d in "01234567"}) == ""
    ):
        return chr(int(escape[1:], 8))
    return _ESCAPED.get(escape, match[0])
