# SPDX-License-Identifier: Apache-2.0
"""The shim: one small process that is a container's parent from its first to its last moment, its keeper.

What is large about making a container is done by another process (`maker`), so this one hardly grows. It
outlives the engine and whoever is attached. If it is killed, so is its container (the first process asks the
kernel for that), because a program that nobody waits for, logs or lists must not go on running.
"""

from __future__ import annotations

import gc
import os
import signal
import socket

from sampan.linux.process import set_child_subreaper, set_name
from sampan.linux.socket import seqpacket_pair
from sampan.shim.connection import Connections
from sampan.shim.container import Container
from sampan.shim.drivers import driver_for
from sampan.shim.execs import Execs
from sampan.shim.loop import Loop
from sampan.shim.maker import run_maker
from sampan.shim.order import Terms
from sampan.shim.protocol import VERSION, receive_message
from sampan.shim.stdio import STREAMS, ShimEnds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.shim.protocol import Message


def run_shim(orders: socket.socket, taken_fd: int, lock: int) -> None:
    """Have a container made and keep it until it and its clients are gone. `taken_fd`, `lock`: see `launcher`."""
    os.setsid()
    set_child_subreaper()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    ours, theirs = seqpacket_pair()
    maker = os.fork()
    if maker == 0:
        ours.close()
        run_maker(orders, theirs, taken_fd)
        os._exit(0)
    for sock in (theirs, orders):
        sock.close()
    os.close(taken_fd)
    if lock >= 0:
        os.close(lock)  # the maker's alone
    set_name("sampan-shim")
    made = receive_message(ours)
    ours.close()
    if made:
        Shim(*made).run()


class Shim:
    """The keeper: a loop, the engines that are connected, the container and its execs."""

    __slots__ = ("_connections", "_container", "_execs", "_loop")

    def __init__(self, made: Message, fds: list[int]) -> None:
        terms = Terms(made["terms"])
        named = dict(zip(made["fds"], fds, strict=False))
        self._loop = loop = Loop()
        self._connections = Connections(
            loop,
            {
                "start": self._start,
                "attach": self._attach,
                "hold": self._hold,
                "signal": self._signal,
                "signal-exec": self._signal_exec,
                "resize": self._resize,
                "pause": self._pause,
                "exec": self._exec,
            },
            greet=self._describe,
            on_last_gone=self._abandon_if_not_started,
        )
        self._connections.add(socket.socket(fileno=named.pop("engine")))
        self._connections.listen(socket.socket(fileno=named.pop("listener")))
        ends = ShimEnds.of_names(named, is_terminal=terms.is_terminal)
        driver = driver_for(terms)
        driver.take_over(made["pid"], {name: named[name] for name in named if name not in STREAMS})
        publish = self._connections.publish
        self._container = Container(terms, driver, ends, loop, publish, on_clients_gone=loop.stop)
        self._container.started_ns = made["started_ns"]
        self._execs = Execs(driver, loop, publish)
        for request, fd in zip(terms.attach, fds[len(made["fds"]) :], strict=True):
            self._container.streams.attach(fd, request)
        loop.on_child_exit(self._collect_children)
        self._collect_children()  # of those that ended before

    def run(self) -> None:
        """Serve until the end."""
        self._loop.run()

    def _collect_children(self) -> None:
        """Collect everybody: orphans of a container that shares the host's pids come here, too."""
        program_status = None
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if not pid:
                break
            if pid == self._container.pid:
                program_status = status
            else:
                self._execs.process_exited(pid, status)
        if program_status is not None:
            self._container.program_exited(program_status)

    def _describe(self) -> Message:
        container = self._container
        return {
            "event": "state",
            "version": VERSION,
            "status": container.status,
            "pid": container.pid,
            "shim_pid": os.getpid(),
            "started_ns": container.started_ns,
            "paused": container.is_paused,
            "execs": self._execs.pids(),
            "exit": container.exit_status.as_message() if container.exit_status else None,
        }

    def _abandon_if_not_started(self) -> None:
        """Nobody is left who could start it: end it. A later engine finds it created, and makes it anew."""
        if not self._container.started_ns:
            self._container.signal(signal.SIGKILL, everyone=False)

    def _start(self, _message: Message, _fds: list[int]) -> Message:
        self._container.start()
        return {"started_ns": self._container.started_ns}

    def _attach(self, message: Message, fds: list[int]) -> Message:
        self._container.streams.attach(fds.pop(0), message)
        return {}

    def _hold(self, message: Message, fds: list[int]) -> Message:
        """Keep descriptors; `relays` names those that calls may arrive at, `targets` says where they are meant for."""
        self._container.held_fds += fds
        for fd, name in zip(fds, message.get("relays") or (), strict=False):
            if name:
                self._container.relay.listen(fd, name)
        if "targets" in message:
            self._container.relay.retarget(message["targets"])
        return {}

    def _signal(self, message: Message, _fds: list[int]) -> Message:
        self._container.signal(message["signal"], everyone=bool(message.get("all")))
        return {}

    def _signal_exec(self, message: Message, _fds: list[int]) -> Message:
        self._execs.signal(message["exec_id"], message["signal"])
        return {}

    def _resize(self, message: Message, _fds: list[int]) -> Message:
        rows, columns = message["rows"], message["columns"]
        if message.get("exec_id"):
            self._execs.resize(message["exec_id"], rows, columns)
        else:
            self._container.resize(rows, columns)
        return {}

    def _pause(self, message: Message, _fds: list[int]) -> Message:
        self._container.set_paused(bool(message["paused"]))
        return {}

    def _exec(self, message: Message, fds: list[int]) -> Message:
        pid = self._execs.start(message, fds)
        gc.collect()
        return {"pid": pid}
