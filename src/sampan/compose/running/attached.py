# SPDX-License-Identifier: Apache-2.0
"""Stay with the containers of a project: their output as it comes, and who ended how.

A thread reads the engine's events; one more for each container reads its log from where this command found it. A
container that starts again is read on; the words of its end come behind its last line.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Lock, Thread
from time import monotonic, time_ns
from typing import Any, Protocol

from sampan.client.api import Engine
from sampan.client.frames import iter_frames
from sampan.client.wire import ConnectionLost
from sampan.compose import labels
from sampan.compose.observed import ObservedContainer
from sampan.errors import SampanError, Unavailable

_FOLLOW_END_S = 2.0


class Sink(Protocol):
    """Where lines go."""

    def add(self, name: str) -> None:
        """Make room for a name."""

    def lines(self, name: str, lines: list[bytes]) -> None:
        """Complete lines of one container."""

    def event(self, text: str) -> None:
        """Something that happened."""


class LineCutter(Protocol):
    """Cuts a stream into lines."""

    def feed(self, data: bytes) -> list[bytes]:
        """Complete lines."""

    def rest(self) -> list[bytes]:
        """What is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A container's program has ended; `for_good` when nobody will start it again."""

    container_id: str
    service: str
    name: str
    code: int
    for_good: bool


class Attached:
    """The containers of one project, whose output goes to `sink`."""

    def __init__(
        self,
        engine: Engine,
        project: str,
        sink: Sink,
        cut: Callable[[], LineCutter],
        *,
        services: Collection[str] | None = None,
        timestamps: bool = False,
    ) -> None:
        self._engine = engine
        self._project = project
        self._sink = sink
        self._cut = cut
        self._services = services
        self._timestamps = timestamps
        self._since_ns = time_ns()
        self._lock = Lock()
        self._following: dict[str, Thread] = {}
        self._read_until_ns: dict[str, int] = {}
        self._ending: list[Thread] = []
        self._ended: SimpleQueue[Ended | SampanError] = SimpleQueue()
        self._quiet = False

    def open(self) -> None:
        """From now on no start and no end is missed."""
        filters = {
            "type": ["container"],
            "event": ["start", "die"],
            "label": [f"{labels.PROJECT}={self._project}"],
        }
        answer = self._engine.system.events({"filters": filters})
        Thread(target=self._read_events, args=(answer,), name="events", daemon=True).start()

    def follow(self, container: ObservedContainer) -> None:
        """Read on in the log of one that runs already."""
        self._begin(container.id, container.service, shown_name(self._project, container.name))

    def next_end(self) -> Ended:
        """The next end of a program; Unavailable when the engine goes away."""
        found = self._ended.get()
        if isinstance(found, SampanError):
            raise found
        return found

    def settle(self) -> None:
        """Give the last lines and ends of stopped containers the time to be said, then say nothing more."""
        deadline = monotonic() + _FOLLOW_END_S
        with self._lock:
            threads = [*self._following.values(), *self._ending]
        for thread in threads:
            thread.join(max(0.0, deadline - monotonic()))
        self._quiet = True

    def _read_events(self, answer: Any) -> None:
        problem: SampanError = Unavailable("the engine went away")
        try:
            for event in answer.iter_json():
                self._take(event)
        except SampanError as error:
            problem = error
        self._ended.put(problem)

    def _take(self, event: dict[str, Any]) -> None:
        attributes = event["Actor"].get("Attributes") or {}
        container_id = str(event["Actor"]["ID"])
        service = str(attributes.get(labels.SERVICE, ""))
        name = shown_name(self._project, str(attributes.get("name", "")))
        if attributes.get(labels.ONE_OFF) == "True":
            return
        if event["Action"] == "start":
            self._begin(container_id, service, name)
        else:
            code = int(attributes.get("exitCode") or 0)
            Thread(target=self._end, args=(container_id, service, name, code), name=name, daemon=True).start()

    def _begin(self, container_id: str, service: str, name: str) -> None:
        if self._services is not None and service not in self._services:
            return
        self._sink.add(name)
        with self._lock:
            held = self._following.get(container_id)
            if held is not None and held.is_alive():
                return
            since_ns = self._read_until_ns.get(container_id, self._since_ns)
            thread = Thread(
                target=self._read_log, args=(container_id, name, since_ns), name=name, daemon=True
            )
            self._following[container_id] = thread
            thread.start()

    def _read_log(self, container_id: str, name: str, since_ns: int) -> None:
        with contextlib.suppress(SampanError, ConnectionLost):
            for lines in iter_log(
                self._engine,
                container_id,
                self._cut,
                follow=True,
                timestamps=self._timestamps,
                since=f"{since_ns // 10**9}.{since_ns % 10**9:09}",
            ):
                self._sink.lines(name, lines)
        with self._lock:
            self._read_until_ns[container_id] = time_ns()

    def _end(self, container_id: str, service: str, name: str, code: int) -> None:
        with self._lock:
            thread = self._following.get(container_id)
        again = self._starts_again(container_id)
        if thread is not None and not again:
            thread.join(_FOLLOW_END_S)
        if not self._quiet and (self._services is None or service in self._services):
            self._sink.event(f"{name} exited with code {code}")
        self._ended.put(
            Ended(container_id=container_id, service=service, name=name, code=code, for_good=not again)
        )

    def _starts_again(self, container_id: str) -> bool:
        try:
            state = self._engine.containers.inspect(container_id)["State"]
        except SampanError:
            return False
        return bool(state.get("Restarting") or state.get("Running"))


def shown_name(project: str, container: str) -> str:
    """``web-1`` of ``demo-web-1``; a container with a name of its own keeps it."""
    return container.removeprefix(f"{project}-")


def iter_log(
    engine: Engine, container_id: str, cut: Callable[[], LineCutter], **query: Any
) -> Iterator[list[bytes]]:
    """A container's log, line by line in groups as they come; stdout and stderr together."""
    tty = bool(engine.containers.inspect(container_id)["Config"].get("Tty"))
    answer = engine.containers.logs(container_id, {"stdout": True, "stderr": True, **query})
    cutters = {1: cut(), 2: cut()}
    frames = ((1, data) for data in answer) if tty else iter_frames(answer)
    for stream, data in frames:
        if lines := cutters[2 if stream == 2 else 1].feed(data):
            yield lines
    for cutter in cutters.values():
        if lines := cutter.rest():
            yield lines
