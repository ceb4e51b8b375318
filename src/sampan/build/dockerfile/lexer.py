# SPDX-License-Identifier: Apache-2.0
r"""Cut a Dockerfile into logical lines.

Implements: the Dockerfile reference, "Parser directives", "Escape", "Here-documents".
Holds: a logical line has its continuations joined, comments and blank lines inside it gone, and its heredocs
attached. ``\\`` at the end of a line is no continuation. Directives end at the first line that is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from sampan.build.dockerfile.heredoc import Heredoc, find_heredocs
from sampan.build.dockerfile.location import DockerfileError, Location, Misuse, Source
from sampan.build.dockerfile.words import parse_json_list, split_instruction

_DIRECTIVE = re.compile(r"#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(.+?)\s*\Z")
_DIRECTIVES = frozenset({"syntax", "escape", "check"})
_WITH_HEREDOCS = frozenset({"RUN", "COPY", "ADD"})


@dataclass(frozen=True, slots=True)
class LogicalLine:
    """One instruction's text, with where it stands and the documents that follow it."""

    text: str
    location: Location
    heredocs: tuple[Heredoc, ...] = ()


@dataclass(frozen=True, slots=True)
class LexedFile:
    """The logical lines and what the directives at the top said."""

    source: Source
    lines: tuple[LogicalLine, ...]
    escape: str = "\\"
    directives: dict[str, str] = field(default_factory=dict)
    warnings: tuple[tuple[str, Location], ...] = ()


def lex_dockerfile(source: Source) -> LexedFile:
    """Cut the text into logical lines; DockerfileError for a bad directive or an open heredoc."""
    return _Lexer(source).lex()


class _Lexer:
    def __init__(self, source: Source) -> None:
        self.source = source
        # splitlines() would also break at form feeds and the like, which may stand inside a line.
        self.raw: list[str] = re.findall(r"[^\n]*\n|[^\n]+\Z", source.text.removeprefix("\ufeff"))
        self.position = 0
        self.escape = "\\"
        self.directives: dict[str, str] = {}
        self.warnings: list[tuple[str, Location]] = []

    def lex(self) -> LexedFile:
        self._read_directives()
        lines = tuple(self._iter_lines())
        if not lines:
            reason = "file with no instructions" if self.raw else "the Dockerfile cannot be empty"
            raise self._error(reason, max(1, len(self.raw)))
        return LexedFile(self.source, lines, self.escape, self.directives, tuple(self.warnings))

    def _read_directives(self) -> None:
        for number, raw in enumerate(self.raw, 1):
            match = _DIRECTIVE.match(raw.strip())
            name = match[1].lower() if match else ""
            if match is None or name not in _DIRECTIVES:
                return
            if name in self.directives:
                raise self._error(f"only one {name} parser directive can be used", number)
            self.directives[name] = match[2]
            if name == "escape":
                if match[2] not in ("\\", "`"):
                    raise self._error(f"invalid escape token '{match[2]}' does not match ` or \\", number)
                self.escape = match[2]

    def _iter_lines(self) -> Iterator[LogicalLine]:
        ending = re.escape(self.escape)
        continuation = re.compile(rf"(^|[^{ending}]){ending}[ \t]*\Z")
        while self.position < len(self.raw):
            start = self.position + 1
            first = self._next_raw().rstrip("\r\n").lstrip()
            if not first or first.startswith("#"):
                continue
            text = self._join_continuations(first, continuation, start)
            if text.strip():
                yield self._with_heredocs(text, start)

    def _join_continuations(self, text: str, continuation: re.Pattern[str], start: int) -> str:
        joined = ""
        blank = False
        while True:
            trimmed, more = continuation.subn(r"\1", text)
            joined += trimmed
            if not more:
                break
            following = self._next_meaningful()
            if following is None:
                break
            text, skipped_blank = following
            blank = blank or skipped_blank
        if blank:
            self.warnings.append(("empty continuation line", Location(start, self.position)))
        return joined

    def _next_meaningful(self) -> tuple[str, bool] | None:
        """The next line that is neither blank nor a comment; both vanish inside a continuation."""
        blank = False
        while self.position < len(self.raw):
            line = self._next_raw().rstrip("\r\n")
            stripped = line.lstrip()
            if stripped and not stripped.startswith("#"):
                return line, blank
            blank = blank or not stripped
        return None

    def _with_heredocs(self, text: str, start: int) -> LogicalLine:
        heredocs = tuple(self._read_heredoc(opened, start) for opened in _opened_heredocs(text))
        return LogicalLine(text, Location(start, self.position), heredocs)

    def _read_heredoc(self, opened: Heredoc, start: int) -> Heredoc:
        content: list[str] = []
        while self.position < len(self.raw):
            line = self._next_raw()
            if opened.closes(line.rstrip("\r\n")):
                return Heredoc(opened.name, opened.expand, opened.chomp, "".join(content))
            content.append(line)
        raise self._error(f"unterminated heredoc: no line says {opened.name}", start)

    def _next_raw(self) -> str:
        line = self.raw[self.position]
        self.position += 1
        return line

    def _error(self, reason: str, line: int) -> DockerfileError:
        return DockerfileError(reason, source=self.source, location=Location(line, max(line, self.position)))


def _opened_heredocs(text: str) -> list[Heredoc]:
    """Only RUN, COPY and ADD in shell form open heredocs, also behind ONBUILD."""
    name, _, rest = split_instruction(text)
    if name.upper() == "ONBUILD":
        name, _, rest = split_instruction(rest)
    if name.upper() not in _WITH_HEREDOCS:
        return []
    try:
        exec_form = parse_json_list(rest) is not None
    except Misuse:  # the parser reports it, with its line
        exec_form = True
    return [] if exec_form else find_heredocs(rest)
