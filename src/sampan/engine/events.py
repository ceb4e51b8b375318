# SPDX-License-Identifier: Apache-2.0
"""The stream of events: what happened to which object, kept for those who ask late.

Source: Engine API v1.51, EventMessage. The newest 256 events stay in memory, as in Docker.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

HISTORY = 256
BACKLOG = 4096  # a listener that falls further behind loses its oldest events


class EventBus:
    """Publishes events to everybody who listens; never waits for a listener."""

    def __init__(self) -> None:
        self._history: deque[dict[str, Any]] = deque(maxlen=HISTORY)
        self._listeners: set[asyncio.Queue[dict[str, Any]]] = set()

    def publish(self, kind: str, action: str, actor_id: str, attributes: Mapping[str, str]) -> None:
        """Record that `action` happened to the object `actor_id` of this kind."""
        event = make_event(kind, action, actor_id, attributes, now_ns=time.time_ns())
        self._history.append(event)
        for queue in self._listeners:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(event)

    @property
    def listeners(self) -> int:
        """How many listen now."""
        return len(self._listeners)

    def history(self) -> list[dict[str, Any]]:
        """Events still remembered, oldest first."""
        return list(self._history)

    @contextmanager
    def subscription(self) -> Iterator[asyncio.Queue[dict[str, Any]]]:
        """A queue that gets every event from now on."""
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(BACKLOG)
        self._listeners.add(queue)
        try:
            yield queue
        finally:
            self._listeners.discard(queue)


def make_event(
    kind: str, action: str, actor_id: str, attributes: Mapping[str, str], *, now_ns: int
) -> dict[str, Any]:
    """One EventMessage, with the old fields `status`, `id` and `from` that containers and images still carry."""
    event: dict[str, Any] = {}
    if kind in ("container", "image"):
        old = {"status": action, "id": actor_id}
        if kind == "container":
            old["from"] = attributes.get("image", "")
        event = {name: value for name, value in old.items() if value}
    return event | {
        "Type": kind,
        "Action": action,
        "Actor": {"ID": actor_id, "Attributes": dict(attributes)},
        "scope": "local",
        "time": now_ns // 1_000_000_000,
        "timeNano": now_ns,
    }
