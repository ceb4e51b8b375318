# SPDX-License-Identifier: Apache-2.0
"""Work in a thread of its own, for what may take as long as a client likes.

The event loop's pool has few threads: a handful of slow clients would hold them all and stop everybody.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def start_thread(work: Callable[[], T], *, name: str) -> Future[T]:
    """Start now. Who awaits the future (asyncio.wrap_future) may be cancelled; the work goes on to its end."""
    result: Future[T] = Future()
    result.set_running_or_notify_cancel()

    def run() -> None:
        try:
            result.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised again by who waits
            result.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return result
