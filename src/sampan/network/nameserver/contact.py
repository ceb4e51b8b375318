# SPDX-License-Identifier: Apache-2.0
"""Asking the name server to answer in a container: one line of JSON there, one back.

Loaded by the launcher: nothing large may be imported.
"""

from __future__ import annotations

import json
import socket

from sampan.errors import Unavailable

TIMEOUT_S = 5.0
"""It answers within a millisecond once it runs; the first time it is still starting."""


def serve_names(path: str, container_id: str, pid: int) -> None:
    """Have names answered in the network namespace of process `pid`; raises when that cannot be."""
    request = json.dumps({"op": "serve", "id": container_id, "pid": pid}).encode() + b"\n"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as sock:
            sock.settimeout(TIMEOUT_S)
            sock.connect(path)
            sock.sendall(request)
            with sock.makefile("rb") as file:
                reply = json.loads(file.readline() or b'{"error": "it ended"}')
    except OSError as error:
        raise Unavailable(f"name server: {error.strerror or error}") from error
    if reply.get("error"):
        raise Unavailable(f"name server: {reply['error']}")
