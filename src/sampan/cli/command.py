# SPDX-License-Identifier: Apache-2.0
"""What a command is: its words, its flags, how many arguments it takes, and the function that does it.

A command's module holds one `Command` (or a few close ones). `main` finds the module through the
`catalogue`, so that only the module of the command that was asked for is ever imported.
"""

from __future__ import annotations

from sampan.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sampan.cli.context import Context
    from sampan.cli.flags import Flag
    from sampan.cli.options import Options

    Run = Callable[[Context, Options, list[str]], int]


class UsageError(InvalidArgument):
    """A command was given the wrong number of arguments; it exits with 1, as docker's do."""


class Exit(Exception):  # noqa: N818 - an outcome, not always an error
    """Ends the command with this exit status, after saying `message` on stderr if there is one."""

    def __init__(self, status: int, message: str = "", *, hint: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.hint = hint


class Arity:
    """How many positional arguments a command takes; no `most` means any number."""

    __slots__ = ("least", "most")

    def __init__(self, least: int, most: int | None) -> None:
        self.least = least
        self.most = most

    def complaint(self, count: int) -> str | None:
        """Docker's words for a wrong count, to follow the command's name; None when it fits."""
        if count >= self.least and (self.most is None or count <= self.most):
            return None
        if self.most == 0:
            return "accepts no arguments"
        if self.most is None:
            return f"requires at least {_arguments(self.least)}"
        if self.least == self.most:
            return f"requires {_arguments(self.least)}"
        if self.least == 0:
            return f"requires at most {_arguments(self.most)}"
        return f"requires at least {self.least} and at most {_arguments(self.most)}"


def _arguments(count: int) -> str:
    return f"{count} argument" if count == 1 else f"{count} arguments"


NONE = Arity(0, 0)
ANY = Arity(0, None)


def exactly(count: int) -> Arity:
    """Neither more nor fewer."""
    return Arity(count, count)


def at_least(count: int) -> Arity:
    """So many or more."""
    return Arity(count, None)


def at_most(count: int) -> Arity:
    """None or up to so many."""
    return Arity(0, count)


def between(least: int, most: int) -> Arity:
    """A range, both ends included."""
    return Arity(least, most)


class Command:
    """One command; `usage` is what follows its name, `failure` the exit status when the engine refuses."""

    __slots__ = (
        "arity",
        "description",
        "failure",
        "flags",
        "interspersed",
        "names",
        "run",
        "summary",
        "usage",
    )

    def __init__(
        self,
        *names: str,
        run: Run,
        summary: str,
        usage: str = "",
        description: str = "",
        flags: Sequence[Flag] = (),
        arity: Arity = NONE,
        interspersed: bool = True,
        failure: int = 1,
    ) -> None:
        self.names = names
        self.run = run
        self.summary = summary
        self.usage = usage
        self.description = description
        self.flags = tuple(flags)
        self.arity = arity
        self.interspersed = interspersed
        self.failure = failure

    def check_arguments(self, name: str, count: int) -> None:
        """Raise UsageError in docker's words when `count` arguments do not fit."""
        complaint = self.arity.complaint(count)
        if complaint is not None:
            raise UsageError(f"'{name}' {complaint}")
