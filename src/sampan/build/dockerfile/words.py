# SPDX-License-Identifier: Apache-2.0
"""Cut the arguments of one instruction into words, flags or a JSON list.

Quotes and escapes are kept in the words: they matter again when variables are expanded. Follows BuildKit's
``parser/line_parsers.go`` and ``split_command.go``, also where they differ from a shell.
"""

from __future__ import annotations

import json
import re

from sampan.build.dockerfile.location import Misuse

_SPACES = re.compile(r"[\t\v\f\r ]+")


def split_instruction(line: str) -> tuple[str, list[str], str]:
    """``CMD --flag=x rest`` as (``CMD``, its flags, the rest without surrounding space)."""
    parts = _SPACES.split(line.strip(), maxsplit=1)
    if len(parts) == 1:
        return parts[0], [], ""
    flags, rest = split_flags(parts[1])
    return parts[0], flags, rest.strip()


def split_flags(text: str) -> tuple[list[str], str]:
    """The leading ``--name[=value]`` words without their quotes, and what follows; ``--`` ends them."""
    flags: list[str] = []
    position = 0
    while True:
        while position < len(text) and text[position].isspace():
            position += 1
        if not text.startswith("--", position):
            return flags, text[position:]
        word, position = _flag_word(text, position)
        if word == "--":
            return flags, text[position:]
        flags.append(word)


def _flag_word(text: str, position: int) -> tuple[str, int]:
    word: list[str] = []
    quote = ""
    while position < len(text):
        char = text[position]
        if not quote and char.isspace():
            break
        position += 1
        if char == quote:
            quote = ""
        elif not quote and char in "'\"":
            quote = char
        elif char == "\\":
            word.append(text[position : position + 1])
            position += 1
        else:
            word.append(char)
    return "".join(word), position


def split_words(text: str, escape: str) -> list[str]:
    """Words between spaces; quotes and escapes hold a word together and stay in it."""
    words: list[str] = []
    word: list[str] = []
    quote = ""
    started = False
    position = 0
    while position < len(text):
        char = text[position]
        position += 1
        if not quote and char.isspace():
            if started:
                words.append("".join(word))
            word, started = [], False
            continue
        if char == escape and quote != "'":
            # An escape at the very end has nothing to protect and vanishes.
            if position < len(text):
                word.append(char + text[position])
                position += 1
                started = True
            continue
        if char == quote:
            quote = ""
        elif not quote and char in "'\"":
            quote = char
        word.append(char)
        started = True
    if started:
        words.append("".join(word))
    return words


def split_spaces(text: str) -> list[str]:
    """Words between spaces, quotes meaning nothing (FROM, EXPOSE, COPY)."""
    return [word for word in _SPACES.split(text) if word]


def parse_json_list(text: str) -> list[str] | None:
    """The exec form's strings; None when the text is no JSON list; `Misuse` for a list of other things."""
    if not text.lstrip().startswith("["):
        return None
    try:
        value: object = json.loads(text)
    except ValueError:
        return None
    if not isinstance(value, list):
        return None
    if not all(isinstance(item, str) for item in value):
        raise Misuse("when using JSON array syntax, arrays must be comprised of strings only")
    return value


def split_pairs(text: str, escape: str, command: str) -> list[tuple[str, str]]:
    """``a=1 b="2 3"`` or the old ``a the rest of the line`` as pairs of name and (still quoted) value."""
    words = split_words(text, escape)
    if not words:
        return []
    if "=" not in words[0]:
        parts = _SPACES.split(text.strip(), maxsplit=1)
        if len(parts) < 2:
            raise Misuse(f"{command} must have two arguments")
        return [(parts[0], parts[1])]
    pairs: list[tuple[str, str]] = []
    for word in words:
        name, found, value = word.partition("=")
        if not found:
            raise Misuse(
                f"Syntax error - can't find = in {json.dumps(word)}. Must be of the form: name=value"
            )
        pairs.append((name, value))
    return pairs
