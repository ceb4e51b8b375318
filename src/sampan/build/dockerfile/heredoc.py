# SPDX-License-Identifier: Apache-2.0
"""Heredocs: which words of a RUN, COPY or ADD open one, and how its text is read.

``<<EOF``, ``<<-EOF`` (leading tabs vanish), ``<<"EOF"`` (no expansion), ``3<<EOF`` and, since BuildKit 0.22,
a standalone ``<<`` whose next word is the delimiter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sampan.build.dockerfile.words import split_words

_OPENER = re.compile(r"(\d*)<<(-?)([^<]*)\Z")
_LEADING_TABS = re.compile(r"(?m)^\t+")


@dataclass(frozen=True, slots=True)
class Heredoc:
    """One inline document: its delimiter word, and the text once it has been read."""

    name: str
    expand: bool = True
    chomp: bool = False
    content: str = ""

    @property
    def text(self) -> str:
        """The document as it shall be used: ``<<-`` drops the tabs at the start of each line."""
        return _LEADING_TABS.sub("", self.content) if self.chomp else self.content

    def closes(self, line: str) -> bool:
        """Whether this line, without its end, is the delimiter."""
        return (line.lstrip("\t") if self.chomp else line) == self.name


def find_heredocs(line: str) -> list[Heredoc]:
    """The heredocs that the words of a line open, in their order."""
    words = split_words(line, "\\")
    found: list[Heredoc] = []
    position = 0
    while position < len(words):
        heredoc, used = heredoc_at(words, position)
        if heredoc is not None:
            found.append(heredoc)
        position += used
    return found


def heredoc_at(words: list[str], position: int) -> tuple[Heredoc | None, int]:
    """The heredoc opened at this word, if any, and how many words it takes (one, or two for ``<< EOF``)."""
    match = _OPENER.match(words[position])
    if match is None:
        return None, 1
    delimiter, used = match[3], 1
    if not delimiter:
        if position + 1 == len(words):
            return None, 1
        delimiter, used = words[position + 1], 2
    name = _unquoted(delimiter)
    if not name or "<" in name:
        return None, 1
    return Heredoc(name=name, expand=name == delimiter, chomp=match[2] == "-"), used


def _unquoted(word: str) -> str:
    out: list[str] = []
    quote = ""
    escaped = False
    for char in word:
        if escaped:
            out.append(char)
            escaped = False
        elif char == "\\" and quote != "'":
            escaped = True
        elif char == quote:
            quote = ""
        elif not quote and char in "'\"":
            quote = char
        else:
            out.append(char)
    return "".join(out)
