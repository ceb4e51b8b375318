# SPDX-License-Identifier: Apache-2.0
"""One worker process: an event loop, threads for the disk, and a listening socket that it was given."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from ssl import SSLContext

from sampan import log
from sampan.registry.server.access.principal import Gate, OpenGate
from sampan.registry.server.connections import Connections
from sampan.registry.server.protocol.call import Limits, Service
from sampan.registry.server.protocol.dispatch import respond
from sampan.registry.server.storage.store import Store

_THREADS = 16
_BACKLOG = 1024
_LAST_REQUESTS_S = 10.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What every worker of a registry is given."""

    root: str
    limits: Limits = field(default_factory=Limits)
    tls: Callable[[], SSLContext] | None = None
    gate: Callable[[], Gate] = OpenGate


def run_worker(plan: Plan, listener: socket.socket) -> None:
    """Serve until SIGTERM; requests in progress are answered."""
    log.set_up()
    asyncio.run(_serve(plan, listener))


async def _serve(plan: Plan, listener: socket.socket) -> None:
    with ThreadPoolExecutor(_THREADS, "disk") as threads:
        service = Service(Store(plan.root), plan.gate(), threads, plan.limits)
        connections = Connections(lambda request: respond(service, request), plan.limits.head_s)
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ended.set)
        server = await loop.create_server(
            connections.server, sock=listener, ssl=plan.tls() if plan.tls else None, backlog=_BACKLOG
        )
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(connections.watch())
            await ended.wait()
            server.close()
            connections.server.pre_shutdown()
            await connections.server.shutdown(_LAST_REQUESTS_S)
            watching.cancel()
