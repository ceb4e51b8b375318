# SPDX-License-Identifier: Apache-2.0
"""The name server as a process: started by an engine, found again by the next.

It listens on a socket that the engine made and bound, so whoever connects may do so before it runs. Messages are
lines of JSON:

    {"op": "hello", "keep": [ID, …]}                       an engine: its connection counts, others are forgotten
    {"op": "put", "id", "places": […], "servers": […]}     who a container is (zones.Member)
    {"op": "forget", "id"}                                 it has no names any more
    {"op": "serve", "id", "pid"}                           answer in that process' network namespace; has a reply

Holds: it lets go of a container's namespace when the container's first process ends, whether there is an engine or
not, and only then: messages of a former run and of the next may arrive in any order. It ends when nobody needs it.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import socket
import sys
from dataclasses import dataclass
from typing import Any

from sampan.linux.process import close_range, set_name
from sampan.network.nameserver.listener import NetworkNamespace
from sampan.network.nameserver.resolver import Resolver
from sampan.network.nameserver.upstream import HostServers
from sampan.network.nameserver.zones import Zones, decode_member

LISTENER_FD = 3
_FIRST_ENGINE_S = 30.0
_LONGEST_LINE = 1 << 22
_PROGRAM = (
    "import sys; sys.path[:] = sys.argv[1].split(':'); "
    "from sampan.network.nameserver.process import main; main()"
)


def start(listener: socket.socket, log_path: str) -> int:
    """Start the process with a listening socket; return its pid. Shares nothing else with this one."""
    null, log = os.O_RDWR, os.O_WRONLY | os.O_APPEND | os.O_CREAT
    return os.posix_spawn(
        sys.executable,
        [sys.executable, "-IS", "-c", _PROGRAM, ":".join(map(os.path.abspath, sys.path))],
        {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "MALLOC_ARENA_MAX": "1"},
        file_actions=[
            (os.POSIX_SPAWN_DUP2, listener.fileno(), LISTENER_FD),
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", null, 0),
            (os.POSIX_SPAWN_DUP2, 0, 1),
            (os.POSIX_SPAWN_OPEN, 2, log_path, log, 0o600),
        ],
        setsigmask=(),
        setsigdef=(signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD),
    )


def main() -> None:
    """Serve until nobody needs it."""
    close_range(LISTENER_FD + 1)
    os.setsid()
    os.chdir("/")
    set_name("sampan-names")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # four a container
    os.set_inheritable(LISTENER_FD, False)
    asyncio.run(NameServer().run(socket.socket(fileno=LISTENER_FD)))


@dataclass(frozen=True, slots=True)
class Served:
    """A container that is answered in, and the process whose end is its end."""

    resolver: Resolver
    pid: int
    pidfd: int


class NameServer:
    """All containers that are served, and the engines that are connected."""

    def __init__(self) -> None:
        self._zones = Zones()
        self._host = HostServers()
        self._served: dict[str, Served] = {}  # by container id
        self._engines = 0
        self._unneeded = asyncio.Event()

    async def run(self, listener: socket.socket) -> None:
        """Serve until nobody needs it."""
        listener.setblocking(False)
        server = await asyncio.start_unix_server(self._serve, sock=listener, limit=_LONGEST_LINE)
        asyncio.get_running_loop().call_later(_FIRST_ENGINE_S, self._end_if_unneeded)
        await self._unneeded.wait()
        server.close()
        for container_id in list(self._served):
            self._close(container_id)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_engine = False
        try:
            while line := await reader.readline():
                request = json.loads(line)
                if request["op"] == "hello" and not is_engine:
                    is_engine = True
                    self._engines += 1
                reply = await self._answer(request)
                if reply is not None:
                    writer.write(json.dumps(reply).encode() + b"\n")
                    await writer.drain()
        except (OSError, ValueError, KeyError):  # reset, or not our protocol
            pass
        finally:
            writer.close()
            self._engines -= is_engine
            self._end_if_unneeded()

    async def _answer(self, request: dict[str, Any]) -> dict[str, Any] | None:
        match request["op"]:
            case "hello":
                for container_id in (self._zones.ids() | set(self._served)) - set(request["keep"]):
                    self._zones.remove(container_id)
                    self._close(container_id)
            case "put":
                self._zones.put(decode_member(request))
            case "forget":
                self._zones.remove(request["id"])
            case "serve":
                return await self._open(request["id"], request["pid"])
        return None

    async def _open(self, container_id: str, pid: int) -> dict[str, Any]:
        """Answer in a container; where it is answered already there is nothing to do."""
        served = self._served.get(container_id)
        if served is not None and served.pid == pid:
            return {}
        self._close(container_id)  # of a former run, whose end is about to be noticed
        try:
            pidfd = os.pidfd_open(pid)
            resolver = Resolver(container_id, NetworkNamespace(pid), self._zones, self._host)
            self._served[container_id] = Served(resolver, pid, pidfd)
            asyncio.get_running_loop().add_reader(pidfd, self._close, container_id)
            await resolver.open()
        except OSError as error:
            self._close(container_id)
            return {"error": str(error)}
        return {}

    def _close(self, container_id: str) -> None:
        """Stop answering in a container: it has ended."""
        served = self._served.pop(container_id, None)
        if served is None:
            return
        asyncio.get_running_loop().remove_reader(served.pidfd)
        os.close(served.pidfd)
        served.resolver.close()
        self._end_if_unneeded()

    def _end_if_unneeded(self) -> None:
        if not self._engines and not self._served:
            self._unneeded.set()
