# SPDX-License-Identifier: Apache-2.0
"""Files to sockets, from the page cache and without a copy.

Clients that take what comes are served by threads, each in the kernel's sendfile nearly all the time: where many
processes want the processors, that is what gives a server its share. A client that pauses gives its thread back and is
waited for by the event loop, so that slow clients, however many, take no threads.
"""

from __future__ import annotations

import asyncio
import os
import select
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from sampan.registry.server.protocol.call import Service

_SLICE_BYTES = 1 << 20
_THREAD_BYTES = 64 << 20
_PAUSE_MS = 100


async def send_plainly(
    transport: asyncio.WriteTransport, file: BinaryIO, start: int, count: int, service: Service
) -> None:
    """Send part of a file. Raises TimeoutError when nothing is taken for too long."""
    loop = asyncio.get_running_loop()
    # A descriptor of its own: the transport's may be closed, and its number used anew, while a thread is at it.
    own = os.dup(transport.get_extra_info("socket").fileno())
    try:
        while count:
            # What else is to be sent goes first, and a client that was slow is waited for.
            size = min(_SLICE_BYTES, count)
            async with asyncio.timeout(service.limits.stall_s):
                await loop.sendfile(transport, file, start, size)
            start, count = start + size, count - size
            if count:
                sent = await loop.run_in_executor(
                    service.senders, _pump, own, file.fileno(), start, min(count, _THREAD_BYTES)
                )
                start, count = start + sent, count - sent
    finally:
        os.close(own)


def _pump(target: int, source: int, start: int, count: int) -> int:
    """Send until all is sent or the client pauses; how much that was."""
    waiter = select.poll()
    waiter.register(target, select.POLLOUT)
    sent = 0
    while sent < count:
        try:
            sent += os.sendfile(target, source, start + sent, count - sent)
        except BlockingIOError:
            if not waiter.poll(_PAUSE_MS):
                break
    return sent
