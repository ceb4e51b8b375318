# SPDX-License-Identifier: Apache-2.0
"""What is known of a build that runs: its vertices, in the order in which they began, and what they said.

Fed with the JSON events that `sampan.build.progress` documents; the two ways to show it are `PlainProgress`
(`progress_plain`) and `LiveProgress` (`progress_live`). Here is what both need, and the excerpt of the last
words of the vertex that failed, as BuildKit prints it.
"""

from __future__ import annotations

from binascii import a2b_base64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Protocol

    from sampan.client.jsontext import Json

    class Progress(Protocol):
        """A way to show a build."""

        def event(self, event: Json) -> None:
            """Take one event."""

        def close(self) -> None:
            """The build ended, well or not."""


LAST_LINES = 10
_NANOSECONDS = 1_000_000_000


class Vertex:
    """One step: `lines` are the last ones it said, without line ends; `partial` is one that has not ended."""

    __slots__ = (
        "cached",
        "completed_ns",
        "error",
        "id",
        "lines",
        "name",
        "number",
        "partial",
        "started_ns",
        "status_times",
        "statuses",
    )

    def __init__(self, vertex_id: str, name: str, number: int) -> None:
        self.id = vertex_id
        self.name = name
        self.number = number
        self.started_ns = 0
        self.completed_ns: int | None = None
        self.cached = False
        self.error = ""
        self.lines: list[str] = []
        self.partial = b""
        self.statuses: dict[str, Json] = {}
        self.status_times: dict[str, tuple[int, int]] = {}

    def update(self, event: Json) -> None:
        """What a vertex event says of it."""
        self.name = event.get("name") or self.name
        self.started_ns = event.get("started_ns") or self.started_ns
        self.completed_ns = event.get("completed_ns")
        self.cached = bool(event.get("cached"))
        self.error = event.get("error") or ""

    def seconds(self, now_ns: int) -> float:
        """How long it has run, or ran."""
        end = self.completed_ns if self.completed_ns is not None else now_ns
        return max(0, end - self.started_ns) / _NANOSECONDS

    def take_status(self, event: Json, now_ns: int) -> None:
        """How far a transfer is, now."""
        began_ns, _ = self.status_times.get(event["name"], (now_ns, 0))
        self.statuses[event["name"]] = event
        self.status_times[event["name"]] = began_ns, now_ns if event.get("completed") else 0

    def status_seconds(self, name: str, now_ns: int) -> float:
        """How long a transfer goes on, or went."""
        began_ns, ended_ns = self.status_times[name]
        return max(0, (ended_ns or self.completed_ns or now_ns) - began_ns) / _NANOSECONDS

    def take_output(self, data: bytes, now_ns: int) -> list[str]:
        """Complete lines of its output, each with the seconds since its start; the last few are kept."""
        *whole, self.partial = (self.partial + data).split(b"\n")
        return [self._keep(line, now_ns) for line in whole]

    def take_rest(self, now_ns: int) -> list[str]:
        """The line that never ended."""
        rest, self.partial = self.partial, b""
        return [self._keep(rest, now_ns)] if rest else []

    def _keep(self, line: bytes, now_ns: int) -> str:
        # Of a line that was drawn over itself (pip's bars), what would be on the screen at the end.
        text = line.rstrip(b"\r").rpartition(b"\r")[2].decode(errors="replace")
        shown = f"{self.seconds(now_ns):.3f} {text}"
        self.lines = [*self.lines[-LAST_LINES + 1 :], shown]
        return shown


class Trace:
    """All vertices by id, and the warnings."""

    __slots__ = ("vertices", "warnings")

    def __init__(self) -> None:
        self.vertices: dict[str, Vertex] = {}
        self.warnings: list[Json] = []

    def vertex(self, event: Json) -> Vertex:
        """The vertex that an event is about; known from now on."""
        known = self.vertices.get(event["id"])
        if known is None:
            name = event.get("name", "") if event["type"] == "vertex" else ""
            known = self.vertices[event["id"]] = Vertex(event["id"], name, len(self.vertices) + 1)
        return known

    def take(self, event: Json, now_ns: int) -> None:
        """What an event says, for who draws all of it."""
        kind = event["type"]
        if kind == "vertex":
            self.vertex(event).update(event)
        elif kind == "log":
            self.vertex(event).take_output(decode_output(event), now_ns)
        elif kind == "status":
            self.vertex(event).take_status(event, now_ns)
        elif kind == "warning":
            self.warnings.append(event)

    def failure(self) -> Iterator[str]:
        """The last words of what failed, between two rules."""
        for vertex in self.vertices.values():
            if vertex.error and not vertex.error.endswith("cancelled"):
                yield "------"
                yield f" > {vertex.name}:"
                yield from vertex.lines
                yield "------"

    def caution(self) -> Iterator[str]:
        """The warnings, at the end of all."""
        if self.warnings:
            what = "1 warning" if len(self.warnings) == 1 else f"{len(self.warnings)} warnings"
            yield ""
            yield f" {what} found (use --check to expand):"
            yield from (f" - {format_warning(warning)}" for warning in self.warnings)


def format_warning(warning: Json) -> str:
    """A warning and its line, as BuildKit writes it."""
    return f"{warning['text']} (line {warning['line']})"


def decode_output(event: Json) -> bytes:
    """The bytes of a log event."""
    return a2b_base64(event.get("data", ""))


def format_bytes(count: int) -> str:
    """``1.05MB``: powers of 1000 with two decimals, as BuildKit shows transfers."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{count}B" if unit == "B" else f"{size:.2f}{unit}"
        size /= 1000
    return f"{size:.2f}TB"


def format_status(status: Json) -> str:
    """``transferring context: 1.05MB / 2.10MB``."""
    current, total = status.get("current") or 0, status.get("total") or 0
    amount = f" {format_bytes(current)}" if current else ""
    if total:
        amount = f" {format_bytes(current)} / {format_bytes(total)}"
    return f"{status['name']}{amount}"


class SilentProgress:
    """``--quiet``: says nothing, but keeps what a failure will need."""

    def __init__(self) -> None:
        self.trace = Trace()

    def event(self, event: Json) -> None:
        """Keep the last words."""
        import time

        self.trace.take(event, time.time_ns())

    def close(self) -> None:
        """Nothing is open."""
