# SPDX-License-Identifier: Apache-2.0
"""Calls to published ports that the packet filter cannot translate, passed on by the keeper: what Docker's proxy does.

They arrive at the sockets that hold the container's ports (network.ports): by IPv6 for a container that has only
IPv4, and by ::1, whose packets do not leave the loopback interface. Everything else never comes here.

The keeper is in the host's network namespace, so the container sees its network's gateway as the caller.
Holds: nothing blocks, and what one end does not take is not read from the other. TCP's half-close is kept; a UDP
client is forgotten when neither side has said anything for a while.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time

from sampan.shim.loop import ERR, HUP, IN, OUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sampan.shim.loop import Loop

    Target = tuple[str, int]

_CHUNK_BYTES = 64 << 10
_DATAGRAM_BYTES = 65535
_MOST_AT_ONCE = 256
_PAUSE_S = 0.2
_FLOW_IDLE_S = 90.0
_UNDER_WAY = (BlockingIOError, InterruptedError)


class Relay:
    """The sockets of one container at which calls may arrive, and the connections that are passed on."""

    __slots__ = ("_flows", "_listeners", "_loop", "_pairs", "_targets")

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._targets: dict[str, Target] = {}
        self._listeners: list[socket.socket] = []
        self._pairs: set[Pair] = set()
        self._flows: dict[tuple[int, Target], Flow] = {}

    def listen(self, fd: int, name: str) -> None:
        """Pass on what arrives at a socket, which stays the caller's; `name` is its target's in `retarget`."""
        sock = socket.socket(fileno=os.dup(fd))
        sock.setblocking(False)
        self._listeners.append(sock)
        receive = self._accept if sock.type == socket.SOCK_STREAM else self._receive_datagram
        self._loop.watch(sock.fileno(), IN, lambda _events: receive(sock, name))

    def retarget(self, targets: Mapping[str, Sequence[object]]) -> None:
        """Where to pass on new calls from now on; those for a name that is not there are closed."""
        self._targets = {name: (str(place[0]), int(str(place[1]))) for name, place in targets.items()}
        for flow in list(self._flows.values()):
            flow.close()
        self._flows.clear()

    def close(self) -> None:
        """End everything: the container has ended."""
        for pair in list(self._pairs):
            pair.close()
        for flow in self._flows.values():
            flow.close()
        self._flows.clear()
        for sock in self._listeners:
            self._loop.forget(sock.fileno())
            sock.close()
        self._listeners.clear()

    def _accept(self, listener: socket.socket, name: str) -> None:
        target = self._targets.get(name)
        try:
            caller, _ = listener.accept()
        except _UNDER_WAY:
            return
        except OSError:  # no descriptor free: do not ask again at once
            self._pause(listener, name)
            return
        if target is None:
            caller.close()
            return
        self._pairs.add(Pair(self._loop, caller, target, self._pairs.discard))
        if len(self._pairs) >= _MOST_AT_ONCE:
            self._pause(listener, name)

    def _pause(self, listener: socket.socket, name: str) -> None:
        self._loop.forget(listener.fileno())

        def resume() -> None:
            if listener in self._listeners:
                if len(self._pairs) >= _MOST_AT_ONCE:
                    self._pause(listener, name)
                else:
                    self._loop.watch(listener.fileno(), IN, lambda _events: self._accept(listener, name))

        self._loop.call_after(_PAUSE_S, resume)

    def _receive_datagram(self, listener: socket.socket, name: str) -> None:
        target = self._targets.get(name)
        try:
            data, caller = listener.recvfrom(_DATAGRAM_BYTES)
        except OSError:
            return
        key = (listener.fileno(), caller)
        flow = self._flows.get(key)
        if flow is None and target is not None and len(self._flows) < _MOST_AT_ONCE:
            flow = self._flows[key] = Flow(self._loop, listener, caller, target)
            self._loop.call_after(_FLOW_IDLE_S, lambda: self._expire(key))
        if flow is not None:
            flow.send(data)

    def _expire(self, key: tuple[int, Target]) -> None:
        flow = self._flows.get(key)
        if flow is None:
            return
        left = flow.used_at + _FLOW_IDLE_S - time.monotonic()
        if left > 0:
            self._loop.call_after(left, lambda: self._expire(key))
        else:
            flow.close()
            del self._flows[key]


class Flow:
    """What one UDP client says, and what it is answered."""

    __slots__ = ("_caller", "_listener", "_loop", "_sock", "used_at")

    def __init__(self, loop: Loop, listener: socket.socket, caller: Target, target: Target) -> None:
        self._loop = loop
        self._listener = listener
        self._caller = caller
        self._sock = _socket_to(target, socket.SOCK_DGRAM)
        self.used_at = time.monotonic()
        try:
            self._sock.connect(target)
        except OSError:
            return  # as good as a datagram that is lost
        loop.watch(self._sock.fileno(), IN, self._answer)

    def send(self, data: bytes) -> None:
        """Pass on a datagram, or lose it."""
        self.used_at = time.monotonic()
        with contextlib.suppress(OSError):
            self._sock.send(data)

    def close(self) -> None:
        """Forget the client."""
        self._loop.forget(self._sock.fileno())
        self._sock.close()

    def _answer(self, _events: int) -> None:
        self.used_at = time.monotonic()
        with contextlib.suppress(OSError):  # nobody listens there, or there is no room: lost
            self._listener.sendto(self._sock.recv(_DATAGRAM_BYTES), self._caller)


class End:
    """One end of a connection: what waits to be sent to it, and whether more can come from it."""

    __slots__ = ("backlog", "is_ended", "is_open", "sock")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.backlog = b""
        self.is_open = True
        """More may come from it."""
        self.is_ended = False
        """It has been told that no more comes."""


class Pair:
    """A TCP connection that is passed on: the caller's end and the container's."""

    __slots__ = ("_caller", "_loop", "_on_close", "_own")

    def __init__(
        self, loop: Loop, caller: socket.socket, target: Target, on_close: Callable[[Pair], None]
    ) -> None:
        self._loop = loop
        self._on_close = on_close
        self._caller = End(caller)
        self._own = End(_socket_to(target, socket.SOCK_STREAM))
        caller.setblocking(False)
        try:
            self._own.sock.connect(target)
        except _UNDER_WAY:
            pass
        except OSError:
            loop.call_after(0, self.close)  # not before whoever made this has noted it
            return
        loop.watch(self._own.sock.fileno(), OUT, self._on_connected)

    def close(self) -> None:
        """End both connections."""
        for end in (self._caller, self._own):
            if end.sock.fileno() >= 0:
                self._loop.forget(end.sock.fileno())
                end.sock.close()
        self._on_close(self)

    def _on_connected(self, _events: int) -> None:
        if self._own.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.close()
            return
        self._watch()

    def _watch(self) -> None:
        """Watch each end for what can be done: hang-ups are told of always, so an end with nothing to do is not."""
        for end, other in ((self._caller, self._own), (self._own, self._caller)):
            events = (OUT if end.backlog else 0) | (IN if end.is_open and not other.backlog else 0)
            if events:
                self._loop.watch(end.sock.fileno(), events, self._callback(end, other))
            else:
                self._loop.forget(end.sock.fileno())

    def _callback(self, end: End, other: End) -> Callable[[int], None]:
        return lambda events: self._on_events(end, other, events)

    def _on_events(self, end: End, other: End, events: int) -> None:
        try:
            if end.backlog and events & (OUT | HUP | ERR):
                end.backlog = end.backlog[end.sock.send(end.backlog) :]
            if end.is_open and not other.backlog and events & (IN | HUP | ERR):
                self._pass_on(end, other)
            self._pass_end(end, other)
            self._pass_end(other, end)
        except _UNDER_WAY:
            pass
        except OSError:
            self.close()
            return
        if self._caller.is_ended and self._own.is_ended:
            self.close()
        else:
            self._watch()

    def _pass_on(self, source: End, sink: End) -> None:
        data = source.sock.recv(_CHUNK_BYTES)
        if not data:
            source.is_open = False
            return
        try:
            sent = sink.sock.send(data)
        except BlockingIOError:
            sent = 0
        sink.backlog = data[sent:]

    def _pass_end(self, source: End, sink: End) -> None:
        if not source.is_open and not sink.backlog and not sink.is_ended:
            sink.is_ended = True
            sink.sock.shutdown(socket.SHUT_WR)


def _socket_to(target: Target, kind: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in target[0] else socket.AF_INET
    return socket.socket(family, kind | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
