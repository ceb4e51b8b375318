# SPDX-License-Identifier: Apache-2.0
"""Read the tokens of a template one after another, and word what is wrong with them as Go does."""

from __future__ import annotations

from sampan.cli.template_lex import Token
from sampan.errors import InvalidArgument


class TemplateError(InvalidArgument):
    """A template that cannot be parsed or executed, in Go's words."""


class TokenReader:
    """A place in a list of tokens; beyond its end the last one is read again and again."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._action_line = 0

    def _next(self) -> Token:
        token = self._peek()
        self._at += 1
        return token

    def _peek(self) -> Token:
        return self._tokens[min(self._at, len(self._tokens) - 1)]

    def _next_solid(self) -> Token:
        token = self._next()
        return self._next() if token.kind == "space" else token

    def _peek_solid(self) -> Token:
        if self._peek().kind == "space":
            self._next()
        return self._peek()

    def _error(self, message: str) -> TemplateError:
        last = self._tokens[min(max(self._at - 1, 0), len(self._tokens) - 1)]
        return TemplateError(f"template: :{last.line}: {message}")

    def _unexpected(self, token: Token, context: str) -> TemplateError:
        line = f"template: :{token.line}: "
        if token.kind != "error":
            return TemplateError(f"{line}unexpected {token} in {context}")
        extra = ""
        if self._action_line and self._action_line != token.line:
            extra = f" in action started at :{self._action_line}"
            if token.text.endswith(" action"):
                extra = extra.removeprefix(" in action")
        return TemplateError(f"{line}{token}{extra}")

    def _expect(self, kind: str, context: str) -> Token:
        token = self._next_solid()
        if token.kind != kind:
            raise self._unexpected(token, context)
        return token
