# SPDX-License-Identifier: Apache-2.0
"""Waiting for a container to end or to be gone.

Source: Engine API v1.51, ContainerWait: conditions not-running, next-exit and removed.
"""

from __future__ import annotations

import asyncio

from sampan.errors import InvalidArgument

CONDITIONS = frozenset({"not-running", "next-exit", "removed"})


class ExitWaiters:
    """Futures of those who wait for one container; each gets the exit code once."""

    __slots__ = ("_exit", "_removal")

    def __init__(self) -> None:
        self._exit: set[asyncio.Future[int]] = set()
        self._removal: set[asyncio.Future[int]] = set()

    def subscribe(self, condition: str) -> asyncio.Future[int]:
        """A future for the next exit, or for the removal."""
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        group = self._removal if condition == "removed" else self._exit
        group.add(future)
        future.add_done_callback(group.discard)
        return future

    def notify_exit(self, exit_code: int) -> None:
        """The program has ended."""
        _resolve(self._exit, exit_code)

    def notify_removal(self, exit_code: int) -> None:
        """The container is gone: nobody can wait for anything else of it."""
        _resolve(self._exit, exit_code)
        _resolve(self._removal, exit_code)


def _resolve(futures: set[asyncio.Future[int]], exit_code: int) -> None:
    for future in list(futures):
        if not future.done():
            future.set_result(exit_code)


def check_condition(condition: str) -> str:
    """The condition, or not-running where none is given."""
    if not condition:
        return "not-running"
    if condition not in CONDITIONS:
        raise InvalidArgument(f'invalid condition: "{condition}"')
    return condition
