# SPDX-License-Identifier: Apache-2.0
"""A name server for tests: it knows one address for every name, and says by which way it was asked."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

HEADER_BYTES = 12
PORT = 53


@contextlib.contextmanager
def name_server(address: str, answer: str) -> Iterator[list[str]]:
    """Serve at `address` until the block ends; yields the ways it was asked, in order: udp, tcp."""
    asked: list[str] = []
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    udp.bind((address, PORT))
    tcp.bind((address, PORT))
    tcp.listen()
    threads = [
        threading.Thread(target=_serve_datagrams, args=(udp, answer, asked), daemon=True),
        threading.Thread(target=_serve_streams, args=(tcp, answer, asked), daemon=True),
    ]
    for thread in threads:
        thread.start()
    try:
        yield asked
    finally:
        for sock in (udp, tcp):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in threads:
            thread.join(5)


def encode_answer(query: bytes, answer: str) -> bytes:
    """The query's header and question, and one A record (none for other questions)."""
    end = query.index(b"\0", HEADER_BYTES) + 5
    is_address = query[end - 4 : end - 2] == b"\0\1"
    record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton(answer) if is_address else b""
    head = query[:2] + b"\x81\x80\0\1" + (b"\0\1" if record else b"\0\0") + bytes(4)
    return head + query[HEADER_BYTES:end] + record


def _serve_datagrams(sock: socket.socket, answer: str, asked: list[str]) -> None:
    with contextlib.suppress(OSError):
        while True:
            query, peer = sock.recvfrom(4096)
            if not query:
                return
            asked.append("udp")
            sock.sendto(encode_answer(query, answer), peer)


def _serve_streams(sock: socket.socket, answer: str, asked: list[str]) -> None:
    with contextlib.suppress(OSError):
        while True:
            peer, _ = sock.accept()
            with peer:
                query = peer.recv(4096)[2:]
                asked.append("tcp")
                reply = encode_answer(query, answer)
                peer.sendall(len(reply).to_bytes(2, "big") + reply)
