# SPDX-License-Identifier: Apache-2.0
"""Where something stands in a Dockerfile, and errors that show it.

An error's message begins with ``NAME:LINE:`` as compilers write it; `DockerfileError.excerpt` is the source
with the guilty lines marked, as BuildKit prints it below the message.
"""

from __future__ import annotations

from dataclasses import dataclass

from sampan.errors import InvalidArgument

_CONTEXT_LINES = 2
_RULE = "-" * 20


@dataclass(frozen=True, slots=True)
class Source:
    """A Dockerfile's name, as the user gave it, and its text."""

    name: str
    text: str

    def excerpt(self, location: Location) -> str:
        """The lines of the location marked with ``>>>``, with a little of what stands around them."""
        lines = self.text.replace("\r\n", "\n").split("\n")
        first = max(1, location.start - _CONTEXT_LINES)
        last = min(len(lines), location.end + _CONTEXT_LINES)
        while last > location.end and not lines[last - 1].strip():
            last -= 1
        shown = []
        for number in range(first, last + 1):
            marker = ">>>" if location.start <= number <= location.end else "   "
            shown.append(f"{number:4} | {marker} {lines[number - 1]}".rstrip())
        return "\n".join([f"{self.name}:{location.start}", _RULE, *shown, _RULE])


@dataclass(frozen=True, slots=True)
class Location:
    """The first and the last line of something, counted from one."""

    start: int
    end: int


class DockerfileError(InvalidArgument):
    """The Dockerfile says something that cannot be built; `location` and `excerpt` show where."""

    def __init__(self, reason: str, *, source: Source, location: Location, hint: str | None = None) -> None:
        super().__init__(f"{source.name}:{location.start}: {reason}", hint=hint)
        self.reason = reason
        self.source: Source | None = source
        self.location = location
        self.excerpt = source.excerpt(location)


class Misuse(Exception):  # noqa: N818 - never leaves this package: the caller knows the line and raises DockerfileError
    """What is wrong in a piece of text, said before anybody knows on which line it stands."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
