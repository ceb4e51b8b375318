# SPDX-License-Identifier: Apache-2.0
"""A build under way as it is written down, and watched by whoever asks."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sampan.build.dockerfile.location import DockerfileError
from sampan.build.errors import BuildFailed
from sampan.build.history.entry import Asked, Entry, Failure, Material
from sampan.build.history.events import Clipping, EventWriter
from sampan.build.progress import LogEvent, MaterialEvent, VertexEvent, WarningEvent
from sampan.errors import Cancelled, SampanError

if TYPE_CHECKING:
    from sampan.build.history.events import Timed
    from sampan.build.progress import Progress

_log = logging.getLogger(__name__)

_MERGED = 256
_FLUSH_S = 0.2


class Recording:
    """Begins with the build's first vertex: what never comes so far is not worth an entry."""

    def __init__(
        self, entry: Entry, asked: Callable[[], Asked], begin: Callable[[Recording], EventWriter]
    ) -> None:
        self.entry = entry
        self.response: Mapping[str, str] = {}
        self._asked = asked
        self.events: list[Timed] = []
        self._begin = begin
        self._writer: EventWriter | None = None
        self._is_lost = False
        self._flushing: asyncio.TimerHandle | None = None
        self._clipping = Clipping()
        self._vertices: dict[str, VertexEvent] = {}
        self._materials: dict[str, Material] = {}
        self._changed = asyncio.Event()

    @property
    def has_begun(self) -> bool:
        """Whether there is anything to tell."""
        return self._writer is not None

    def tell(self, event: Progress) -> None:
        """Write down what the builder says; steps that are being stopped may speak when all is over."""
        kept = self._clipping.take(event) if isinstance(event, LogEvent) else event
        if kept is None or self.entry.completed_ns:
            return
        moment_ns = time.time_ns()
        self._note(kept)
        self._write(moment_ns, kept)
        self.events.append((moment_ns, kept))
        self._changed.set()

    def _write(self, moment_ns: int, event: Progress) -> None:
        """On a full disk, the build is what matters."""
        if self._is_lost:
            return
        try:
            if self._writer is None:
                asked = self._asked()
                self.entry = replace(self.entry, attributes=dict(asked.attributes), outputs=asked.outputs)
                self._writer = self._begin(self)
            self._writer.write(moment_ns, event)
        except (OSError, SampanError) as error:
            self._is_lost = True
            _log.warning("history: build %s is not written down: %s", self.entry.ref, error)
        else:
            self._flush_soon()

    def _flush_soon(self) -> None:
        """An engine that is killed does not flush."""
        if self._flushing is None:
            self._flushing = asyncio.get_running_loop().call_later(_FLUSH_S, self.flush)

    def flush(self) -> None:
        """Let the file have what has been told so far."""
        self._flushing = None
        if self._writer is not None and not self._is_lost:
            with contextlib.suppress(OSError):
                self._writer.flush()

    def _note(self, event: Progress) -> None:
        match event:
            case VertexEvent():
                self._vertices[event.id] = event
                ended = [vertex for vertex in self._vertices.values() if vertex.completed_ns is not None]
                self.entry = replace(
                    self.entry,
                    total_steps=len(self._vertices),
                    completed_steps=len(ended),
                    cached_steps=sum(vertex.cached for vertex in ended),
                )
            case WarningEvent():
                self.entry = replace(self.entry, warnings=self.entry.warnings + 1)
            case MaterialEvent():
                self._materials[event.uri] = Material(event.uri, event.digest)
                self.entry = replace(self.entry, materials=tuple(self._materials.values()))

    async def watch(self) -> AsyncIterator[Sequence[Timed]]:
        """Everything from the beginning to the end; what has come together is told together."""
        position = 0
        while True:
            if position < len(self.events):
                found = self.events[position : position + _MERGED]
                position += len(found)
                yield found
            elif self.entry.completed_ns:
                return
            else:
                self._changed.clear()
                await self._changed.wait()

    def end(self, failure: Failure | None) -> None:
        """It is over; `response` has been set, if all went well."""
        self.entry = replace(
            self.entry, completed_ns=time.time_ns(), failure=failure, response=dict(self.response)
        )
        self._changed.set()

    def close(self) -> None:
        """Nothing more will come."""
        if self._flushing is not None:
            self._flushing.cancel()
        if self._writer is not None:
            self.entry = replace(self.entry, log_bytes=self._writer.close())


def describe_failure(error: SampanError) -> Failure:
    """What is kept of an error."""
    failed = error if isinstance(error, BuildFailed) else None
    blamed = error if isinstance(error, BuildFailed | DockerfileError) else None
    return Failure(
        error.message,
        is_canceled=isinstance(error, Cancelled),
        code=failed.exit_code if failed is not None else None,
        hint=error.hint or "",
        vertex=failed.vertex if failed is not None else "",
        excerpt=blamed.excerpt if blamed is not None else "",
    )
