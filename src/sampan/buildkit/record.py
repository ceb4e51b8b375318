# SPDX-License-Identifier: Apache-2.0
"""One build as clients watch it: the builder's events as BuildKit's messages, kept for whoever asks later.

Holds: a step's output is kept up to LOG_LIMIT_BYTES, then a line says that the rest was cut off, as BuildKit does.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sampan.build.history.events import LOG_LIMIT_BYTES
from sampan.build.progress import LogEvent, StatusEvent, VertexEvent, WarningEvent
from sampan.buildkit.messages import control as messages
from sampan.buildkit.messages.control import StatusResponse
from sampan.buildkit.messages.values import Position, Range, SourceInfo, Status, Timestamp

if TYPE_CHECKING:
    from sampan.build.progress import Progress

_MERGED = 256


@dataclass(slots=True)
class BuildRecord:
    """A build: what was asked, how it went, how it ended."""

    ref: str
    frontend: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    exporters: list[messages.Exporter] = field(default_factory=list)
    created_ns: int = field(default_factory=time.time_ns)
    completed_ns: int = 0
    status: Status | None = None
    response: dict[str, str] = field(default_factory=dict)
    steps: dict[str, VertexEvent] = field(default_factory=dict)
    warnings: int = 0
    listener: Callable[[Progress], None] | None = None
    _responses: list[StatusResponse] = field(default_factory=list)
    _logged: dict[str, int] = field(default_factory=dict)
    _started: dict[tuple[str, str], int] = field(default_factory=dict)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, event: Progress, moment_ns: int = 0) -> None:
        """Note what the builder says, now or then."""
        if self.listener is not None:
            self.listener(event)
        moment_ns = moment_ns or time.time_ns()
        match event:
            case VertexEvent():
                self.steps[event.id] = event
                self._add(StatusResponse(vertexes=[self._vertex(event)]))
            case LogEvent():
                self._log(event, moment_ns)
            case StatusEvent():
                self._add(StatusResponse(statuses=[self._status(event, moment_ns)]))
            case WarningEvent():
                self.warnings += 1
                self._add(StatusResponse(warnings=[self._warning(event)]))

    def warn(self, warning: messages.VertexWarning) -> None:
        """Note a client's own warning."""
        self.warnings += 1
        self._add(StatusResponse(warnings=[warning]))

    def end(self, status: Status | None, response: dict[str, str] | None = None) -> None:
        """It is over; a status says that it failed."""
        self.completed_ns = time.time_ns()
        self.status = status
        self.response = response or {}
        self._changed.set()

    async def watch(self) -> AsyncIterator[StatusResponse]:
        """Everything from the beginning to the end; what has come together is told together."""
        position = 0
        while True:
            if position < len(self._responses):
                found = self._responses[position : position + _MERGED]
                position += len(found)
                yield _merge(found)
            elif self.completed_ns:
                return
            else:
                self._changed.clear()
                await self._changed.wait()

    def take(self) -> Iterator[StatusResponse]:
        """What has been noted since the last time; what has come together is told together."""
        noted, self._responses = self._responses, []
        for position in range(0, len(noted), _MERGED):
            yield _merge(noted[position : position + _MERGED])

    def _add(self, response: StatusResponse) -> None:
        self._responses.append(response)
        self._changed.set()

    def _digest(self, vertex_id: str) -> str:
        return f"sha256:{hashlib.sha256(f'{self.ref} {vertex_id}'.encode()).hexdigest()}"

    def _vertex(self, event: VertexEvent) -> messages.Vertex:
        return messages.Vertex(
            digest=self._digest(event.id),
            name=event.name,
            cached=event.cached,
            started=Timestamp.of(event.started_ns),
            completed=Timestamp.of(event.completed_ns) if event.completed_ns is not None else None,
            error=event.error or "",
        )

    def _status(self, event: StatusEvent, now_ns: int) -> messages.VertexStatus:
        started_ns = self._started.setdefault((event.id, event.name), now_ns)
        return messages.VertexStatus(
            id=event.name,
            vertex=self._digest(event.id),
            name=event.name,
            current=event.current,
            total=event.total,
            timestamp=Timestamp.of(now_ns),
            started=Timestamp.of(started_ns),
            completed=Timestamp.of(now_ns) if event.completed else None,
        )

    def _log(self, event: LogEvent, moment_ns: int) -> None:
        before = self._logged.get(event.id, 0)
        self._logged[event.id] = before + len(event.data)
        if before > LOG_LIMIT_BYTES:
            return
        data = event.data
        if before + len(data) > LOG_LIMIT_BYTES:
            data = data[: LOG_LIMIT_BYTES - before] + b"\n[output clipped, log limit 2MiB reached]\n"
            self._logged[event.id] = LOG_LIMIT_BYTES + 1
        log = messages.VertexLog(self._digest(event.id), Timestamp.of(moment_ns), event.stream, data)
        self._add(StatusResponse(logs=[log]))

    def _warning(self, event: WarningEvent) -> messages.VertexWarning:
        first = next(iter(self.steps), "")
        return messages.VertexWarning(
            vertex=self._digest(first),
            level=1,
            short=f"{event.text} (line {event.line})".encode("utf-8", "surrogateescape"),
            detail=[event.detail.encode()] if event.detail else [],
            url=event.url,
            info=SourceInfo(event.file, language="Dockerfile"),
            ranges=[Range(Position(event.line), Position(event.last_line))],
        )


def _merge(responses: list[StatusResponse]) -> StatusResponse:
    merged = StatusResponse()
    for one in responses:
        merged.vertexes += one.vertexes
        merged.statuses += one.statuses
        merged.logs += one.logs
        merged.warnings += one.warnings
    return merged
