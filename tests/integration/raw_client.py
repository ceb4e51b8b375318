# SPDX-License-Identifier: Apache-2.0
"""The Engine API spoken byte by byte: for what libraries never do, or do without asking."""

from __future__ import annotations

import json
import socket
from types import TracebackType
from typing import Any, Self

LIMIT_S = 20.0


class RawClient:
    """One connection to an engine's socket."""

    def __init__(self, path: str) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(LIMIT_S)
        try:
            self.sock.connect(path)
        except OSError:
            self.sock.close()
            raise
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.sock.close()

    def send(self, method: str, path: str, *headers: str, body: object = None, after: bytes = b"") -> None:
        """Send a request, and `after` in the same packet as its end."""
        payload = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", "Host: engine", f"Content-Length: {len(payload)}", *headers]
        if payload:
            lines.append("Content-Type: application/json")
        self.sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode() + payload + after)

    def head(self) -> tuple[int, dict[str, str]]:
        """Read an answer's status and headers (lower case), and nothing behind them."""
        while b"\r\n\r\n" not in self._buffer:
            data = self.sock.recv(65536)
            assert data, f"the connection ended within the head: {self._buffer!r}"
            self._buffer += data
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = (line.split(": ", 1) for line in lines)
        return int(first.split()[1]), {name.lower(): value for name, value in headers}

    def rest(self) -> bytes:
        """Everything until the engine closes."""
        while data := self.sock.recv(65536):
            self._buffer += data
        data, self._buffer = self._buffer, b""
        return data

    def half_close(self) -> None:
        """Say that no more will be sent."""
        self.sock.shutdown(socket.SHUT_WR)


def ask(path: str, method: str, url: str, body: object = None) -> tuple[int, dict[str, str], Any]:
    """One request on a connection of its own; status, headers and the decoded body."""
    with RawClient(path) as client:
        client.send(method, url, "Connection: close", body=body)
        status, headers = client.head()
        data = client.rest()
    if headers.get("transfer-encoding") == "chunked":
        data = join_chunks(data)
    return status, headers, json.loads(data) if "json" in headers.get("content-type", "") and data else data


def join_chunks(data: bytes) -> bytes:
    """The body of a chunked answer."""
    body = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        length = int(size, 16)
        body, data = body + data[:length], data[length + 2 :]
    return body


def frames(data: bytes) -> list[tuple[int, bytes]]:
    """What a multiplexed stream holds: stream number and data of each frame."""
    found = []
    while data:
        size = int.from_bytes(data[4:8], "big")
        assert data[1:4] == b"\0\0\0"
        found.append((data[0], data[8 : 8 + size]))
        data = data[8 + size :]
    return found


def stream(data: bytes, number: int) -> bytes:
    """All of one stream."""
    return b"".join(part for each, part in frames(data) if each == number)
