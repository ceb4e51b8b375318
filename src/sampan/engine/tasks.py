# SPDX-License-Identifier: Apache-2.0
"""Work that goes on after a request was answered: kept, named, its failures logged, awaited at shutdown."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from sampan.errors import SampanError

T = TypeVar("T")

logger = logging.getLogger(__name__)


class Background:
    """The set of the engine's own tasks; a task that nobody holds could vanish in the middle."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    async def complete(self, work: Coroutine[Any, Any, T], *, name: str) -> T:
        """Wait for `work`, which goes on when the one who waits is cancelled."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(self._finished)  # nobody else hears of its failure
            raise

    def spawn(self, work: Coroutine[Any, Any, Any], *, name: str) -> asyncio.Task[Any]:
        """Start `work` now; an exception of it is logged under `name`."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, SampanError):
            logger.info("%s: %s", task.get_name(), error)
        elif error is not None:
            logger.error("background work failed: %s", task.get_name(), exc_info=error)

    async def drain(self, timeout_s: float) -> None:
        """Wait for what is under way, then cancel the rest."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout_s)
        for task in self._tasks:
            task.cancel()
