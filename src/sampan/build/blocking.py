# SPDX-License-Identifier: Apache-2.0
"""Blocking work in threads, for tasks that may be cancelled.

A thread cannot be stopped from outside. A cancelled task tells its thread to stop and waits until it has, so
that what the thread works on can be removed afterwards.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
from collections.abc import Callable
from concurrent.futures import Executor
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Blocking:
    """Runs functions in a pool of threads; `is_stopped` is what long ones ask now and then."""

    def __init__(self, pool: Executor | None = None) -> None:
        self._pool = pool
        self._stop = threading.Event()

    def is_stopped(self) -> bool:
        """Whether a task was cancelled while its thread ran."""
        return self._stop.is_set()

    async def run(self, function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """The function's result; when cancelled, not before the function has ended."""
        call = functools.partial(function, *args, **kwargs)
        running = asyncio.get_running_loop().run_in_executor(self._pool, call)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            self._stop.set()
            while not running.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait([running])
            # Its failure, if any, is a consequence of the stop: fetched so that nobody complains.
            running.exception()
            raise
