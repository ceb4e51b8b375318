# SPDX-License-Identifier: Apache-2.0
"""What a thread writes, sent by the event loop to whoever asked for it, at the speed at which they take it."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, cast

from sampan.archive.writer import Writable
from sampan.build.blocking import Blocking
from sampan.errors import Cancelled

_CHUNK = 1 << 18
_POLL_S = 0.2

Send = Callable[[bytes], Coroutine[Any, Any, None]]
SendTo = Callable[[int, bytes], Coroutine[Any, Any, None]]
"""The same for one of several outputs, by its number."""


async def send_produced(produce: Callable[[Writable], None], send: Send) -> int:
    """Call `produce` in a thread with a file whose bytes are given to `send`; how many they were.

    Cancelling ends the thread at its next write, however long the other side would have it wait.
    """
    blocking = Blocking()
    loop = asyncio.get_running_loop()
    writer = _Outgoing(lambda data: asyncio.run_coroutine_threadsafe(send(data), loop), blocking.is_stopped)
    await blocking.run(_produce, writer, produce)
    return writer.written


class _Outgoing(io.RawIOBase):
    """The thread's end."""

    def __init__(self, send: Callable[[bytes], Future[None]], is_stopped: Callable[[], bool]) -> None:
        self._send = send
        self._is_stopped = is_stopped
        self.written = 0

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        """Send it, and wait until it is sent."""
        sending = self._send(bytes(data))
        while True:
            try:
                sending.result(_POLL_S)
            except TimeoutError:
                if self._is_stopped():
                    sending.cancel()
                    raise Cancelled("export: cancelled") from None
                continue
            self.written += len(data)
            return len(data)


def _produce(writer: _Outgoing, produce: Callable[[Writable], None]) -> None:
    with io.BufferedWriter(cast("io.RawIOBase", writer), _CHUNK) as out:
        produce(out)
