# SPDX-License-Identifier: Apache-2.0
"""A command that is written as one string, in words, as compose's reader (go-shellwords) splits it.

Quotes and backslashes work as in a shell, and nothing else does: a command ends at the first ``;``, ``&``,
``|``, ``<`` or ``>`` outside quotes, since no shell is there to understand them.
"""

from __future__ import annotations

from sampan.errors import InvalidArgument


def split_words(text: str) -> list[str]:
    """The words; InvalidArgument where a quote or escape is not closed."""
    words: list[str] = []
    word: str | None = None
    quote, escaped = "", False
    for character in text:
        if escaped:
            if character == "t":
                character = "\t"
            elif character == "n":
                character = "\n"
            word, escaped = (word or "") + character, False
        elif character == "\\" and quote != "'":
            word, escaped = word or "", True
        elif quote:
            if character == quote:
                quote = ""
            else:
                word = (word or "") + character
        elif character in "\"'":
            word, quote = word or "", character
        elif character in " \t\r\n":
            if word is not None:
                words.append(word)
            word = None
        elif character in ";&|<>":
            break
        else:
            word = (word or "") + character
    if quote or escaped:
        raise InvalidArgument(f"invalid command line string: {text}")
    return words if word is None else [*words, word]
