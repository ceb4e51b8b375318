# SPDX-License-Identifier: Apache-2.0
"""One request to an engine's API without any command line: for what their flags cannot say."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any

from integration.engine_process import EngineProcess

VERSION = "v1.51"


class ApiError(AssertionError):
    """The engine refused; `status` is HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


def call(engine: EngineProcess, method: str, path: str, body: object = None) -> Any:
    """The decoded answer."""
    connection = http.client.HTTPConnection("localhost", timeout=30)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(30)
    connection.sock.connect(str(engine.socket))
    try:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        payload = None if body is None else json.dumps(body)
        connection.request(method, f"/{VERSION}{path}", payload, headers)
        answer = connection.getresponse()
        data = answer.read()
    finally:
        connection.close()
    decoded = json.loads(data) if data else None
    if answer.status >= 400:
        raise ApiError(answer.status, decoded["message"])
    return decoded
