# SPDX-License-Identifier: Apache-2.0
"""``--progress=plain``: a build as lines, in the form that BuildKit's printer gives them.

Implements: buildkit util/progress/progressui/printer.go. Each line begins with ``#`` and the vertex's number;
a vertex that is left while it still runs gets ``#N ...``, and its name comes again when it goes on.
"""

from __future__ import annotations

import time

from sampan.cli.progress import Trace, decode_output, format_status, format_warning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from sampan.cli.progress import Vertex
    from sampan.client.jsontext import Json

_STATUS_INTERVAL_S = 5.0


class PlainProgress:
    """Writes each line as soon as it is known."""

    def __init__(self, say: Callable[[str], None], clock_ns: Callable[[], int] = time.time_ns) -> None:
        self.trace = Trace()
        self._say = say
        self._clock_ns = clock_ns
        self._current: Vertex | None = None
        self._spoke = False
        self._status_at: dict[tuple[str, str], int] = {}

    def event(self, event: Json) -> None:
        """Print what one event adds."""
        kind = event["type"]
        if kind == "vertex":
            self._vertex(event)
        elif kind == "log":
            self._log(event)
        elif kind == "status":
            self._status(event)
        elif kind == "warning":
            self._warning(event)

    def close(self) -> None:
        """Print the line that a vertex left unfinished."""
        if self._current is not None:
            self._lines(self._current, self._current.take_rest(self._clock_ns()))

    def _vertex(self, event: Json) -> None:
        vertex = self.trace.vertex(event)
        vertex.update(event)
        self._enter(vertex)
        if vertex.completed_ns is None:
            return
        self._lines(vertex, vertex.take_rest(self._clock_ns()))
        self._say(f"#{vertex.number} {_outcome(vertex)}")
        self._current = None

    def _log(self, event: Json) -> None:
        vertex = self.trace.vertex(event)
        lines = vertex.take_output(decode_output(event), self._clock_ns())
        if lines:
            self._enter(vertex)
            self._lines(vertex, lines)

    def _status(self, event: Json) -> None:
        """A transfer's beginning and end, and now and then how far it is."""
        vertex, now = self.trace.vertex(event), self._clock_ns()
        key = (event["id"], event["name"])
        recent = now - self._status_at.get(key, 0) < _STATUS_INTERVAL_S * 1e9
        if recent and not event.get("completed"):
            return
        self._status_at[key] = now
        self._enter(vertex)
        done = " done" if event.get("completed") else ""
        self._say(f"#{vertex.number} {format_status(event)}{done}")

    def _warning(self, event: Json) -> None:
        """Below the vertex that read the Dockerfile, where BuildKit shows it."""
        self.trace.warnings.append(event)
        first = next(iter(self.trace.vertices.values()), None)
        if first is None:
            return
        self._enter(first)
        self._say(f"#{first.number} WARN: {format_warning(event)}")
        if first.completed_ns is not None:
            self._current = None

    def _enter(self, vertex: Vertex) -> None:
        if vertex is self._current:
            return
        self._leave()
        self._say(f"#{vertex.number} {vertex.name}")
        self._current = vertex

    def _leave(self) -> None:
        if self._current is not None:
            self._say(f"#{self._current.number} ...")
            self._current = None
        if self._spoke:
            self._say("")
        self._spoke = True

    def _lines(self, vertex: Vertex, lines: list[str]) -> None:
        for line in lines:
            self._say(f"#{vertex.number} {line}")


def _outcome(vertex: Vertex) -> str:
    if vertex.error:
        return "CANCELED" if vertex.error.endswith("cancelled") else f"ERROR: {vertex.error}"
    return "CACHED" if vertex.cached else f"DONE {vertex.seconds(0):.1f}s"
