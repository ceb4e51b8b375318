# SPDX-License-Identifier: Apache-2.0
"""Tell whoever listens what a build does, vertex by vertex."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sampan.build.progress import LogEvent, MaterialEvent, StatusEvent, VertexEvent, WarningEvent
from sampan.build.steps import Mark

if TYPE_CHECKING:
    from sampan.build.checks.rules import Finding
    from sampan.build.dockerfile.location import Source
    from sampan.build.progress import MarkFields, Progress


class Vertex:
    """One line of the progress, from its start to its end."""

    def __init__(
        self, emit: Callable[[Progress], None], vertex_id: str, name: str, marks: Sequence[Mark]
    ) -> None:
        self._emit = emit
        self._marks: list[MarkFields] = [
            {"number": mark.number, "total": mark.total, "text": mark.text} for mark in marks
        ]
        self._started_ns = time.time_ns()
        self.id = vertex_id
        self.name = name
        self.cached = False
        self.result = ""

    def log(self, stream: int, data: bytes) -> None:
        """Pass on output of a program."""
        self._emit(LogEvent(self.id, stream, data))

    def status(self, name: str, current: int, *, total: int = 0, completed: bool = False) -> None:
        """Say how far a transfer is."""
        self._emit(StatusEvent(self.id, name, current=current, total=total, completed=completed))

    def start(self) -> None:
        """Say that it began."""
        self._say(None, None)

    def end(self, error: str | None = None) -> None:
        """Say that it ended."""
        self._say(time.time_ns(), error)

    def _say(self, completed_ns: int | None, error: str | None) -> None:
        event = VertexEvent(
            self.id,
            self.name,
            started_ns=self._started_ns,
            completed_ns=completed_ns,
            cached=self.cached,
            error=error,
            marks=self._marks,
            result=self.result,
        )
        self._emit(event)


class Reporter:
    """Numbers the vertices of one build."""

    def __init__(self, emit: Callable[[Progress], None]) -> None:
        self._emit = emit
        self._count = 0

    @contextmanager
    def vertex(self, name: str, marks: Sequence[Mark] = ()) -> Iterator[Vertex]:
        """A vertex for as long as the block runs; an error that leaves the block is its error."""
        self._count += 1
        vertex = Vertex(self._emit, f"v{self._count}", name, marks)
        vertex.start()
        try:
            yield vertex
        except asyncio.CancelledError:
            vertex.end("cancelled")
            raise
        except Exception as error:
            vertex.end(str(error))
            raise
        vertex.end()

    def material(self, uri: str, digest: str) -> None:
        """Say what from elsewhere went into the build."""
        self._emit(MaterialEvent(uri, digest))

    def warn(self, text: str, *, file: str, line: int) -> None:
        """Warn of a line."""
        self._emit(WarningEvent(text, file=file, line=line))

    def warn_of(self, finding: Finding, source: Source) -> None:
        """Warn of what a check found, in BuildKit's words."""
        rule = finding.rule
        self._emit(
            WarningEvent(
                f"{rule.name}: {finding.message}",
                file=source.name,
                line=finding.location.start,
                last_line=finding.location.end,
                detail=rule.description,
                url=rule.url,
            )
        )
