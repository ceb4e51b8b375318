# SPDX-License-Identifier: Apache-2.0
"""Go's ``%q``, as histories and errors of Docker's builder have it."""

from __future__ import annotations


def go_quoted_list(words: tuple[str, ...]) -> str:
    """Go's ``%q`` of a list of strings, which the history shows for CMD and ENTRYPOINT."""
    return "[" + " ".join(go_quoted(word) for word in words) + "]"


def go_quoted(word: str) -> str:
    """Go's ``%q`` of a string."""
    named = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\a": "\\a", "\b": "\\b"}
    named |= {"\f": "\\f", "\v": "\\v"}
    return '"' + "".join(named.get(char) or _printable(char) for char in word) + '"'


def _printable(char: str) -> str:
    if char.isprintable():
        return char
    code = ord(char)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
