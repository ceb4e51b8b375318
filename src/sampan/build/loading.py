# SPDX-License-Identifier: Apache-2.0
"""Contexts that lie with a client, brought when a step first reads them.

Holds: those who want the same of a context, the stages of one platform or of several, share what is brought once.
"""

from __future__ import annotations

import asyncio

from sampan.build.reporter import Reporter
from sampan.build.seams import ContextSource


class ContextLoads:
    """The contexts of one build; whoever waits for one must be cancelled with all others who do."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._tasks: dict[tuple[str, tuple[str, ...] | None], asyncio.Future[str]] = {}

    async def load(self, name: str, source: ContextSource, paths: tuple[str, ...] | None) -> str:
        """A folder with these paths of the context; None is all of it."""
        wanted = name, paths
        if wanted not in self._tasks:
            self._tasks[wanted] = asyncio.ensure_future(self._load(name, source, paths))
        return await self._tasks[wanted]

    async def _load(self, name: str, source: ContextSource, paths: tuple[str, ...] | None) -> str:
        shown = f"[context {name}] load from client" if name else "[internal] load build context"
        with self._reporter.vertex(shown) as vertex:
            size = 0

            def report(received: int) -> None:
                nonlocal size
                size = received
                vertex.status("transferring context:", received)

            folder = await source.load(paths, report)
            vertex.status("transferring context:", size, completed=True)
        return folder
