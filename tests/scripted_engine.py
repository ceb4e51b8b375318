# SPDX-License-Identifier: Apache-2.0
"""An engine that says what a test wrote down: HTTP over a unix socket, a dialogue of requests and answers.

``engine.on("GET /containers/json", json=[…])`` answers such requests (the version prefix and the query do
not count); `engine.asked` lists what was asked, in order, with bodies.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

Talk = Callable[[socket.socket, "Request"], None]


@dataclass
class Request:
    """One request as it came."""

    method: str
    path: str
    query: dict[str, list[str]]
    fields: dict[str, str]
    body: bytes

    @property
    def json(self) -> object:
        return json.loads(self.body)


def answer(
    status: int = 200, body: bytes = b"", *, fields: dict[str, str] | None = None, length: bool = True
) -> bytes:
    head = [f"HTTP/1.1 {status} X"]
    if length:
        head.append(f"Content-Length: {len(body)}")
    head += [f"{name}: {value}" for name, value in (fields or {}).items()]
    return "\r\n".join([*head, "", ""]).encode() + body


def chunked(*pieces: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (*pieces, b""))


def frame(stream: int, data: bytes) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(data).to_bytes(4, "big") + data


PONG = answer(200, b"OK", fields={"Server": "Sampan (1.51)"})


@dataclass
class ScriptedEngine:
    path: str
    asked: list[Request] = field(default_factory=list)
    _answers: dict[str, list[bytes | Talk]] = field(default_factory=lambda: {"GET /_ping": [PONG]})
    _listener: socket.socket = field(default_factory=lambda: socket.socket(socket.AF_UNIX))
    connections: int = 0

    def on(self, what: str, *answers: bytes | Talk, json: object = None, status: int = 200) -> None:
        """Answer requests like ``GET /_ping``; of several answers the last is given again and again."""
        said = answers or (answer(status, _dumps(json), fields={"Content-Type": "application/json"}),)
        self._answers[what] = list(said)

    @property
    def lines(self) -> list[str]:
        """What was asked, as ``METHOD /path``."""
        return [f"{request.method} {request.path}" for request in self.asked]

    def serve(self) -> None:
        self._listener.bind(self.path)
        self._listener.listen(16)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as reader, contextlib.suppress(OSError):
            while (request := _read_request(reader)) is not None:
                self.asked.append(request)
                said = self._find(request)
                if callable(said):
                    said(connection, request)
                    return
                if request.method == "HEAD":
                    said = said.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
                connection.sendall(said)

    def _find(self, request: Request) -> bytes | Talk:
        answers = self._answers.get(f"{request.method} {request.path}")
        if not answers:
            return answer(404, _dumps({"message": "page not found"}))
        return answers.pop(0) if len(answers) > 1 else answers[0]


def _dumps(value: object) -> bytes:
    return b"" if value is None else json.dumps(value).encode()


def _read_request(reader) -> Request | None:  # type: ignore[no-untyped-def]
    line = reader.readline().decode()
    if not line:
        return None
    method, target, _ = line.split(" ")
    fields = {}
    while (row := reader.readline().decode().strip()) != "":
        name, _, value = row.partition(":")
        fields[name.lower()] = value.strip()
    return _request(method, target, fields, _read_body(reader, fields))


def _request(method: str, target: str, fields: dict[str, str], body: bytes) -> Request:
    parts = urlsplit(target)
    path = unquote(parts.path)
    if path.startswith("/v1."):
        path = "/" + path.split("/", 2)[2]
    return Request(method, path, parse_qs(parts.query, keep_blank_values=True), fields, body)


def _read_body(reader, fields: dict[str, str]) -> bytes:  # type: ignore[no-untyped-def]
    if fields.get("transfer-encoding") == "chunked":
        return b"".join(_iter_chunks(reader))
    return reader.read(int(fields.get("content-length", "0")))


def _iter_chunks(reader) -> Iterator[bytes]:  # type: ignore[no-untyped-def]
    while size := int(reader.readline(), 16):
        yield reader.read(size)
        reader.readline()
    reader.readline()
