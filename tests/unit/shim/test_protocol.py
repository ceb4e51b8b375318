# SPDX-License-Identifier: Apache-2.0
"""Messages: any size, with descriptors, and an end that can be told from a message."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from sampan.linux.socket import seqpacket_pair
from sampan.shim.protocol import HELD_AT_ONCE, PACKET_LIMIT, receive_message, send_message


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = seqpacket_pair()
    yield ours, theirs
    ours.close()
    theirs.close()


@pytest.mark.parametrize("size", [0, PACKET_LIMIT - 20, PACKET_LIMIT, 5_000_000])
def test_a_message_of_any_size_arrives_with_its_descriptors(
    pair: tuple[socket.socket, socket.socket], size: int
) -> None:
    reader, writer = os.pipe()
    send_message(pair[0], {"text": "ü" * size}, [writer])
    os.close(writer)
    received = receive_message(pair[1])
    assert received is not None
    message, fds = received
    assert message == {"text": "ü" * size}
    assert [os.get_inheritable(fd) for fd in fds] == [False]
    os.write(fds[0], b"through")
    assert os.read(reader, 10) == b"through"
    os.close(reader)
    os.close(fds[0])


def test_as_many_descriptors_as_promised_fit_beside_a_large_payload(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    send_message(pair[0], {"text": "x" * PACKET_LIMIT}, [0] * HELD_AT_ONCE)
    received = receive_message(pair[1])
    assert received is not None
    assert len(received[1]) == HELD_AT_ONCE
    for fd in received[1]:
        os.close(fd)


def test_the_end_is_no_message(pair: tuple[socket.socket, socket.socket]) -> None:
    pair[0].close()
    assert receive_message(pair[1]) is None
