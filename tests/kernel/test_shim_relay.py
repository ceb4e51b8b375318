# SPDX-License-Identifier: Apache-2.0
"""Calls that the shim passes on: by IPv6 to a container that has only IPv4."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from sampan.shim.loop import Loop
from sampan.shim.relay import Relay

LIMIT_S = 10.0
LARGE = 3 << 20
NAME = "[::1]:8000/tcp"


class Scene:
    """A relay in a thread of its own, a socket that it listens at, and one that it passes calls on to."""

    def __init__(self, kind: int = socket.SOCK_STREAM) -> None:
        self.front = socket.socket(socket.AF_INET6, kind)
        self.back = socket.socket(socket.AF_INET, kind)
        for sock, address in ((self.front, "::1"), (self.back, "127.0.0.1")):
            sock.settimeout(LIMIT_S)
            sock.bind((address, 0))
            if kind == socket.SOCK_STREAM:
                sock.listen()
        self.loop = Loop()
        self.relay = Relay(self.loop)
        self.relay.listen(self.front.fileno(), NAME)
        self.relay.retarget({NAME: self.back.getsockname()})
        self._beat()
        self.thread = threading.Thread(target=self.loop.run)
        self.thread.start()

    def _beat(self) -> None:
        """So that `stop` is noticed."""
        self.loop.call_after(0.05, self._beat)

    def connect(self) -> socket.socket:
        client = socket.create_connection(self.front.getsockname()[:2], timeout=LIMIT_S)
        client.settimeout(LIMIT_S)
        return client

    def pair(self) -> tuple[socket.socket, socket.socket]:
        """A client and what it has been led to."""
        client = self.connect()
        server, _ = self.back.accept()
        server.settimeout(LIMIT_S)
        return client, server

    def close(self) -> None:
        self.loop.stop()
        self.thread.join(LIMIT_S)
        self.relay.close()
        self.front.close()
        self.back.close()


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    made.close()


@pytest.fixture
def datagrams() -> Iterator[Scene]:
    made = Scene(socket.SOCK_DGRAM)
    yield made
    made.close()


def receive_all(sock: socket.socket) -> bytes:
    parts = []
    while data := sock.recv(1 << 16):
        parts.append(data)
    return b"".join(parts)


def in_background(action: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=action)
    thread.start()
    return thread


def test_both_sides_hear_each_other_and_each_others_end(scene: Scene) -> None:
    client, server = scene.pair()
    with client, server:
        client.sendall(b"ping")
        client.shutdown(socket.SHUT_WR)
        assert receive_all(server) == b"ping"
        server.sendall(b"pong")  # half-closed: an answer still comes back
        server.close()
        assert receive_all(client) == b"pong"


def test_large_streams_go_both_ways_at_once(scene: Scene) -> None:
    client, server = scene.pair()
    there, back = bytes(range(256)) * (LARGE // 256), b"\xff" * LARGE

    def send(sock: socket.socket, data: bytes) -> None:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)

    with client, server:
        senders = [in_background(lambda: send(client, there)), in_background(lambda: send(server, back))]
        received: list[bytes] = []
        reader = in_background(lambda: received.append(receive_all(server)))
        assert receive_all(client) == back
        for thread in (*senders, reader):
            thread.join(LIMIT_S)
        assert received == [there]


def test_a_client_that_does_not_read_holds_up_nobody_else(scene: Scene) -> None:
    slow, flooding = scene.pair()
    with slow, flooding:
        flooding.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                flooding.send(bytes(1 << 16))
        client, server = scene.pair()
        with client, server:
            client.sendall(b"ping")
            assert server.recv(4) == b"ping"


def test_nobody_there_is_a_closed_connection(scene: Scene) -> None:
    scene.back.close()
    with scene.connect() as client, contextlib.suppress(ConnectionResetError):
        assert client.recv(1) == b""


def test_new_calls_follow_the_target(scene: Scene) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.settimeout(LIMIT_S)
        scene.relay.retarget({NAME: other.getsockname()})
        with scene.connect() as client:
            client.sendall(b"x")
            server, _ = other.accept()
            with server:
                assert server.recv(1) == b"x"
    scene.relay.retarget({})
    with scene.connect() as client, contextlib.suppress(ConnectionResetError):
        assert client.recv(1) == b""


def test_datagrams_are_answered_to_each_client(datagrams: Scene) -> None:
    clients = [socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) for _ in range(2)]
    for number, client in enumerate(clients):
        client.settimeout(LIMIT_S)
        client.connect(datagrams.front.getsockname()[:2])
        client.send(b"ping%d" % number)
    for _ in clients:
        data, caller = datagrams.back.recvfrom(100)
        datagrams.back.sendto(data.upper(), caller)
    assert [client.recv(100) for client in clients] == [b"PING0", b"PING1"]
    for client in clients:
        client.close()
