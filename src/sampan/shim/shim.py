# SPDX-License-Identifier: Apache-2.0
"""The shim: one small process that is a container's parent from its first to its last moment.

It outlives the engine and whoever is attached. If it is killed, so is its container (the first process asks
the kernel for that), because a program that nobody waits for, logs or lists must not go on running.
"""

from __future__ import annotations

import gc
import os
import signal
import socket

from sampan.errors import SampanError
from sampan.linux.process import set_child_subreaper, set_name
from sampan.shim.connection import Connections, describe_failure
from sampan.shim.container import Container
from sampan.shim.execs import Execs
from sampan.shim.external import ExternalDriver
from sampan.shim.loop import Loop
from sampan.shim.native import NativeDriver
from sampan.shim.order import Order
from sampan.shim.protocol import VERSION, decode_packet
from sampan.shim.rootfs import unmount_rootfs
from sampan.shim.surroundings import prepare_surroundings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.shim.driver import Driver
    from sampan.shim.protocol import Message


def run_shim(packet: bytes, fds: list[int]) -> None:
    """Carry out an order and stay until the container and its clients are gone; `fds` as in `protocol`."""
    os.setsid()
    set_child_subreaper()
    set_name("sampan-shim")
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    order_message = decode_packet(packet, fds)
    shim = Shim(socket.socket(fileno=fds.pop(0)))
    if shim.create(order_message, fds):
        shim.run()


class Shim:
    """The process: a loop, the engines that are connected, the container and its execs."""

    __slots__ = ("_connections", "_container", "_driver", "_execs", "_loop")

    _container: Container
    _execs: Execs

    def __init__(self, engine: socket.socket) -> None:
        self._loop = Loop()
        self._connections = Connections(
            self._loop,
            {
                "start": self._start,
                "attach": self._attach,
                "hold": self._hold,
                "signal": self._signal,
                "resize": self._resize,
                "pause": self._pause,
                "exec": self._exec,
            },
            greet=self._describe,
            on_last_gone=self._abandon_if_not_started,
        )
        self._connections.add(engine)

    def create(self, message: Message, fds: list[int]) -> bool:
        """Make the container, and start it if so ordered; tell the engine how it went."""
        driver: Driver | None = None
        order: Order | None = None
        try:
            order = Order(message)
            prepare_surroundings(order)
            driver = ExternalDriver(order) if order.runtime else NativeDriver(order)
            self._make(order, driver, fds)
        except (SampanError, OSError, KeyError, ValueError, TypeError) as error:
            self._connections.publish({"event": "failed", **describe_failure(error)})
            if driver:
                driver.delete()
            if order:
                unmount_rootfs(f"{order.bundle}/rootfs")
            return False
        return True

    def run(self) -> None:
        """Serve until the end."""
        gc.collect()
        self._loop.run()

    def _make(self, order: Order, driver: Driver, fds: list[int]) -> None:
        self._loop.on_child_exit(self._collect_children)
        self._container = container = Container(
            order, driver, self._loop, self._connections.publish, on_clients_gone=self._loop.stop
        )
        self._execs = Execs(driver, self._loop, self._connections.publish)
        self._connections.listen(order.run_dir)
        for request in order.attach:
            container.streams.attach(fds.pop(0), request)
        self._connections.publish({"event": "created", "pid": container.pid, "shim_pid": os.getpid()})
        if order.start:
            container.start()
            self._connections.publish({"event": "started", "started_ns": container.started_ns})

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

    def _hold(self, _message: Message, fds: list[int]) -> Message:
        self._container.held_fds += fds
        return {}

    def _signal(self, message: Message, _fds: list[int]) -> Message:
        self._container.signal(message["signal"], everyone=bool(message.get("all")))
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
