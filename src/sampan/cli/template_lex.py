# SPDX-License-Identifier: Apache-2.0
"""Cut a template into tokens, as Go's text/template/parse/lex.go does.

Text outside ``{{ }}`` is one token, trimmed where a ``{{-`` or ``-}}`` asks for it; comments vanish. The
first mistake ends the list with an ``error`` token, because the parser reports it with the line of the action
that it happened in.
"""

from __future__ import annotations

import re

from sampan.cli.template_format import quote

KEYWORDS = frozenset(
    ["block", "break", "continue", "define", "else", "end", "if", "range", "nil", "template", "with"]
)

_SPACE = " \t\r\n"
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_TERMINATORS = " \t\r\n.,|:)("
_ACTION_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+)
    |(?P<string>"(?:\\.|[^"\\\n])*")
    |(?P<rawstring>`[^`]*`)
    |(?P<character>'(?:\\.|[^'\\\n])+')
    |(?P<number>[+-]?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+
        |(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9]+)?))
    |(?P<variable>\$\w*)
    |(?P<field>\.\w+)
    |(?P<word>\w+)
    |(?P<declare>:=)
    |(?P<assign>=)
    |(?P<pipe>\|)
    |(?P<leftparen>\()
    |(?P<rightparen>\))
    |(?P<dot>\.)
    |(?P<char>[!-~])""",
    re.VERBOSE,
)
_UNTERMINATED = {
    '"': "unterminated quoted string",
    "`": "unterminated raw quoted string",
    "'": "unterminated character constant",
    ":": "expected :=",
}


class Token:
    """One token: its kind, its text, where it starts and on which line."""

    __slots__ = ("kind", "line", "pos", "text")

    def __init__(self, kind: str, text: str, pos: int, line: int) -> None:
        self.kind = kind
        self.text = text
        self.pos = pos
        self.line = line

    def __str__(self) -> str:
        if self.kind == "eof":
            return "EOF"
        if self.kind == "error":
            return self.text
        if self.kind in KEYWORDS or self.kind == "dot":
            return f"<{self.text}>"
        if len(self.text) > 10:
            return quote(self.text[:10]) + "..."
        return quote(self.text)


class LexError(Exception):
    """A mistake at a place: it becomes the last token."""

    def __init__(self, message: str, pos: int) -> None:
        super().__init__(message)
        self.pos = pos


def lex(text: str) -> list[Token]:
    """All tokens of a template; the last one is ``eof`` or ``error``."""
    tokens: list[Token] = []
    try:
        pos = _lex_text(text, 0, tokens)
        while pos < len(text):
            pos = _lex_action(text, pos, tokens)
            pos = _lex_text(text, pos, tokens)
    except LexError as error:
        tokens.append(_token("error", str(error), error.pos, text))
    else:
        tokens.append(_token("eof", "", len(text), text))
    return tokens


def _token(kind: str, value: str, pos: int, text: str) -> Token:
    return Token(kind, value, pos, 1 + text.count("\n", 0, pos))


def _lex_text(text: str, pos: int, tokens: list[Token]) -> int:
    """Take the text up to the next left delimiter; trim it where the delimiters around it ask for that."""
    start = pos
    if text.endswith("-}}", 0, pos) and text[pos - 4] in _SPACE:
        while start < len(text) and text[start] in _SPACE:
            start += 1
    end = text.find("{{", start)
    found = end >= 0
    end = end if found else len(text)
    piece = text[start:end]
    if found and _trims_left(text, end):
        piece = piece.rstrip(_SPACE)
    if piece:
        tokens.append(_token("text", piece, start, text))
    return end


def _trims_left(text: str, pos: int) -> bool:
    return text.startswith("{{-", pos) and pos + 3 < len(text) and text[pos + 3] in _SPACE


def _lex_action(text: str, pos: int, tokens: list[Token]) -> int:
    """Take one action from its left to its right delimiter, or skip a comment; answer where it ends."""
    inside = pos + (4 if _trims_left(text, pos) else 2)
    if text.startswith("/*", inside):
        return _skip_comment(text, inside)
    tokens.append(_token("leftdelim", "{{", pos, text))
    pos, depth = inside, 0
    while True:
        closed = _right_delimiter(text, pos)
        if closed:
            if depth:
                raise LexError("unclosed left paren", pos)
            tokens.append(_token("rightdelim", "}}", closed - 2, text))
            return closed
        token = _next_in_action(text, pos)
        depth += (token.kind == "leftparen") - (token.kind == "rightparen")
        if depth < 0:
            raise LexError("unexpected right paren", pos)
        tokens.append(token)
        pos += len(token.text)


def _right_delimiter(text: str, pos: int) -> int:
    """Where the right delimiter at this place ends, 0 if there is none."""
    if text.startswith("}}", pos):
        return pos + 2
    if pos < len(text) and text[pos] in _SPACE and text.startswith("-}}", pos + 1):
        return pos + 4
    return 0


def _skip_comment(text: str, pos: int) -> int:
    comment = _COMMENT.match(text, pos)
    if comment is None:
        raise LexError("unclosed comment", pos)
    closed = _right_delimiter(text, comment.end())
    if not closed:
        raise LexError("comment ends before closing delimiter", pos)
    return closed


def _next_in_action(text: str, pos: int) -> Token:
    if pos >= len(text):
        raise LexError("unclosed action", pos)
    match = _ACTION_TOKEN.match(text, pos)
    if match is None:
        raise LexError(f"unrecognized character in action: {_rune(text[pos])}", pos)
    if match.lastgroup == "char" and text[pos] in _UNTERMINATED:
        raise LexError(_UNTERMINATED[text[pos]], pos)
    kind, value = match.lastgroup or "", match.group()
    end = match.end()
    if kind == "space":
        return _space(text, pos, end)
    if kind in ("variable", "field", "word") and not _at_terminator(text, end):
        raise LexError(f"bad character {_rune(text[end])}", end)
    if kind == "number" and end < len(text) and (text[end].isalnum() or text[end] == "_"):
        raise LexError(f"bad number syntax: {quote(text[pos : end + 1])}", pos)
    if kind == "word":
        kind = value if value in KEYWORDS else "bool" if value in ("true", "false") else "identifier"
    return _token(kind, value, pos, text)


def _space(text: str, pos: int, end: int) -> Token:
    """A run of blanks; the last of them stays when it belongs to a ``-}}``."""
    if text.startswith("-}}", end) and end - 1 > pos:
        end -= 1
    return _token("space", text[pos:end], pos, text)


def _at_terminator(text: str, pos: int) -> bool:
    return pos >= len(text) or text[pos] in _TERMINATORS or text.startswith("}}", pos)


def _rune(character: str) -> str:
    return f"U+{ord(character):04X} '{character}'"
