# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a project, and where: file, line and path of the value."""

from __future__ import annotations

from typing import NamedTuple

from sampan.errors import InvalidArgument

Path = tuple[str | int, ...]


class Mark(NamedTuple):
    """A line of a file, as people are told it."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class ComposeError(InvalidArgument):
    """A project that cannot be used: `reason` is what is wrong with the value at `path`, written at `mark`."""

    def __init__(
        self, reason: str, *, mark: Mark | None = None, path: Path = (), hint: str | None = None
    ) -> None:
        parts = (str(mark) if mark else "", format_path(path), reason)
        super().__init__(": ".join(part for part in parts if part), hint=hint)
        self.reason = reason
        self.mark = mark
        self.path = path


class NoComposeFileError(ComposeError):
    """There is no file to read a project from."""

    def __init__(self) -> None:
        super().__init__(
            "no configuration file provided: not found",
            hint="compose.yaml is looked for here and in the directories above; name another with -f",
        )


def format_path(path: Path) -> str:
    """``services.web.ports[0]``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text
