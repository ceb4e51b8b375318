# SPDX-License-Identifier: Apache-2.0
"""A client for the raw unix socket that holds every request and every answer against the API's document."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from api_document import Document, Operation, iter_json_lines, load_document

LIMIT_S = 30.0
STREAMED = frozenset({"ImageBuild", "ImageLoad", "ImageCreate", "ImagePush", "SystemEvents"})
NOT_JSON = frozenset(
    [
        "ContainerLogs",
        "ContainerExport",
        "ContainerArchive",
        "ImageGet",
        "ImageGetAll",
        "SystemPing",
        "SystemPingHead",
    ]
)
EMPTY = frozenset({101, 204, 304})


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path, timeout_s: float = LIMIT_S) -> None:
        super().__init__("engine", timeout=timeout_s)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


@dataclass(frozen=True)
class Answer:
    """A whole answer."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def lines(self) -> list[Any]:
        return list(iter_json_lines(self.body))

    @property
    def message(self) -> str:
        return str(self.json["message"])


@dataclass
class CheckedApi:
    """`ask` talks to the engine; faults of either side against the document fail the test at once.

    With a version that is not the document's only the exchange itself is made.
    """

    socket_path: Path
    version: str = "1.51"
    exercised: dict[str, set[int]] = field(default_factory=dict)
    document: Document = field(default_factory=load_document)

    def ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        *,
        body: Any = None,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        expect: int | None = None,
    ) -> Answer:
        """One request on a connection of its own; `body` is sent as JSON, `raw` as it is."""
        operation = self.document.find(method, path)
        assert operation is not None, f"{method} {path} is not in the document"
        query = {name: _encode(value) for name, value in (query or {}).items()}
        checked = self.version == "1.51"
        if checked:
            faults = self.document.request_faults(operation, query, body)
            assert not faults, (operation.name, faults)
        answer = self.send(method, path, query, body=body, raw=raw, headers=headers)
        if expect is not None:
            assert answer.status == expect, (operation.name, answer.status, answer.body[:2000])
        if checked:
            self.exercised.setdefault(operation.name, set()).add(answer.status)
            faults = self._faults(operation, answer)
            assert not faults, (operation.name, answer.status, faults)
        return answer

    def send(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        *,
        body: Any = None,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request, unchecked."""
        sent = dict(headers or {})
        if body is not None:
            raw = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        connection = UnixConnection(self.socket_path)
        try:
            connection.request(method, self.url(path, query), body=raw, headers=sent)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def url(self, path: str, query: Mapping[str, Any] | None = None) -> str:
        """The path with its version and query."""
        prefix = f"/v{self.version}" if self.version else ""
        return prefix + path + ("?" + urlencode(query, doseq=True) if query else "")

    def _faults(self, operation: Operation, answer: Answer) -> list[str]:
        if answer.status in EMPTY:
            return [f"a body with status {answer.status}"] if answer.body else []
        faults = _header_faults(answer)
        if answer.status >= 400:
            if operation.method == "HEAD":
                return faults
            return (
                faults + _json_faults(answer) + self.document.definition_faults("ErrorResponse", answer.json)
            )
        if operation.name in NOT_JSON:
            return faults
        if operation.name in STREAMED:
            return faults + [fault for line in answer.lines for fault in self._line_faults(operation, line)]
        if not answer.body:
            described = operation.raw["responses"].get(answer.status, {})
            return faults + (["an empty body"] if "schema" in described else [])
        return (
            faults + _json_faults(answer) + self.document.answer_faults(operation, answer.status, answer.json)
        )

    def _line_faults(self, operation: Operation, line: Any) -> list[str]:
        if operation.name == "SystemEvents":
            return self.document.answer_faults(operation, 200, line)
        return [] if isinstance(line, dict) and line else [f"a line that is no object: {line!r}"]


def _encode(value: Any) -> Any:
    """Maps go as JSON, booleans as Go writes them."""
    if isinstance(value, dict):
        return json.dumps(value)
    return ("false", "true")[value] if isinstance(value, bool) else value


def _header_faults(answer: Answer) -> list[str]:
    wanted = ("Api-Version", "Docker-Experimental", "Ostype", "Server")
    return [f"header {name} is missing" for name in wanted if name not in answer.headers]


def _json_faults(answer: Answer) -> list[str]:
    kind = answer.headers.get_content_type()
    return [] if kind == "application/json" else [f"JSON sent as {kind}"]
