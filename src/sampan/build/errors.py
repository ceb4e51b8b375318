# SPDX-License-Identifier: Apache-2.0
"""How a build fails once the Dockerfile has been understood."""

from __future__ import annotations

from sampan.build.dockerfile.location import Location, Source
from sampan.build.quoting import go_quoted
from sampan.errors import SampanError


class BuildFailed(SampanError):  # noqa: N818 - as all kinds of errors here
    """A step failed: which vertex, where in the Dockerfile, and the program's command line and
    exit code if one ended badly.
    """

    def __init__(
        self,
        message: str,
        *,
        vertex: str = "",
        exit_code: int | None = None,
        arguments: tuple[str, ...] = (),
        source: Source | None = None,
        location: Location | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.vertex = vertex
        self.exit_code = exit_code
        self.arguments = arguments
        self.source = source
        self.location = location
        self.excerpt = source.excerpt(location) if source is not None and location is not None else ""


def process_failed(arguments: tuple[str, ...], exit_code: int) -> str:
    """BuildKit's words for a program that ended with another status than 0."""
    words = go_quoted(" ".join(arguments))
    return f"process {words} did not complete successfully: exit code: {exit_code}"


def classic_words(error: BuildFailed) -> str:
    """The same in the words of Docker's classic builder, for those who speak its protocol."""
    if not error.arguments:
        return error.message
    return f"The command '{' '.join(error.arguments)}' returned a non-zero code: {error.exit_code}"
