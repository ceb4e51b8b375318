# SPDX-License-Identifier: Apache-2.0
"""The maker: takes one order, makes the container, hands it to the keeper and is gone.

Making a container writes to many of the pages that were shared with the launcher. They go with this process; the
keeper, which stays, has not touched them. The container is made for the keeper: it is the maker's sibling.

The engine hears of everything from here until the program runs, and from the keeper after that.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time

from sampan.errors import SampanError
from sampan.linux.process import set_name
from sampan.network.nameserver.contact import serve_names
from sampan.shim.connection import describe_failure, open_listener
from sampan.shim.drivers import driver_for
from sampan.shim.order import Order
from sampan.shim.protocol import decode_packet, receive_packet, send_message
from sampan.shim.stdio import Pipes, ShimEnds
from sampan.shim.surroundings import PreparedNetwork, prepare_surroundings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.shim.driver import Driver
    from sampan.shim.protocol import Message

FAILURES = (SampanError, OSError, KeyError, ValueError, TypeError)
"""What an order may meet, from a missing file to a field of the wrong type."""


def run_maker(orders: socket.socket, keeper: socket.socket, taken_fd: int) -> None:
    """Wait for an order, say that it is taken, and carry it out; without an order the engine has gone."""
    set_name("sampan-maker")
    network = PreparedNetwork()
    packet, fds = receive_packet(orders)
    if not packet:
        return
    with contextlib.suppress(BrokenPipeError):  # the launcher has been killed: this is the last order
        os.write(taken_fd, b"x")
    os.close(taken_fd)
    orders.close()
    message = decode_packet(packet, fds)
    engine = socket.socket(fileno=fds.pop(0))
    try:
        order = Order(message)
        prepare_surroundings(order, network)
        made = Made(order)
    except FAILURES as error:
        send_message(engine, {"event": "failed", **describe_failure(error)})
        return
    made.finish(engine, keeper, fds)


class Made:
    """A container that has been created."""

    __slots__ = ("_driver", "_order", "_started_ns", "ends")

    def __init__(self, order: Order) -> None:
        self._order = order
        self._driver: Driver = driver_for(order)
        self._started_ns = 0
        pipes = Pipes(stdin=order.open_stdin and not order.is_terminal, output=not order.is_terminal)
        try:
            console_fd = self._driver.create(order, pipes.theirs)
        except BaseException:
            self._driver.delete()
            raise
        pipes.close_theirs()
        self.ends = (
            ShimEnds.of_terminal(console_fd, typing=order.open_stdin) if order.is_terminal else pipes.shim
        )

    def finish(self, engine: socket.socket, keeper: socket.socket, clients: list[int]) -> None:
        """Start the program if that was ordered, tell the engine, and leave everything to the keeper."""
        try:
            listener = open_listener(self._order.run_dir)
            send_message(engine, self._describe_created())
            if self._order.start:
                self._start(engine)
            handed_over = self._driver.hand_over()
        except FAILURES as error:
            self._driver.delete()
            with contextlib.suppress(OSError):  # the engine may be what has gone
                send_message(engine, {"event": "failed", **describe_failure(error)})
            return
        sockets = {"engine": engine.fileno(), "listener": listener.fileno()}
        fds = {**sockets, **self.ends.by_name(), **handed_over}
        send_message(keeper, self._describe(list(fds)), [*fds.values(), *clients])

    def _describe_created(self) -> Message:
        return {
            "event": "created",
            "pid": self._driver.pid,
            "shim_pid": os.getppid(),
            "warnings": self._driver.warnings,
        }

    def _start(self, engine: socket.socket) -> None:
        if names := self._order.network.get("names"):
            serve_names(names["socket"], names["id"], self._driver.pid)
        self._driver.start()
        self._started_ns = time.time_ns()
        send_message(engine, {"event": "started", "started_ns": self._started_ns})

    def _describe(self, names: list[str]) -> Message:
        return {
            "terms": self._order.as_message(),
            "pid": self._driver.pid,
            "started_ns": self._started_ns,
            "fds": names,
        }
