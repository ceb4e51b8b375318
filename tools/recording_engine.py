# SPDX-License-Identifier: Apache-2.0
"""An Engine API that makes nothing and remembers what it was asked to make: for `compose_goldens.py`.

Every image is there, networks, volumes and containers come to be by being asked for, and none of them runs.
"""

from __future__ import annotations

import json
import re
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

Json = dict[str, Any]
IMAGE_ID = "sha256:" + "1" * 64
FIXED: dict[str, Json] = {
    "/_ping": {},
    "/version": {
        "Version": "28.5.0",
        "ApiVersion": "1.51",
        "MinAPIVersion": "1.24",
        "Os": "linux",
        "Arch": "amd64",
    },
    "/info": {
        "OSType": "linux",
        "Architecture": "x86_64",
        "Swarm": {"LocalNodeState": "inactive"},
        "Runtimes": {},
    },
}


class RecordingEngine(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """`bodies` are (kind, name, body) in the order of the requests."""

    daemon_threads = True

    def __init__(self, path: str) -> None:
        super().__init__(path, Handler)
        self.bodies: list[tuple[str, str, Json]] = []
        self.made: dict[tuple[str, str], Json] = {}

    def make(self, kind: str, name: str, body: Json) -> Json:
        """Remember one thing; gives what an inspection of it answers."""
        self.bodies.append((kind, name, body))
        described = {"Id": f"id-{name}", "Name": name, "Labels": body.get("Labels") or {}, "Driver": "local"}
        if kind == "container":
            described |= {
                "Names": [f"/{name}"],
                "Image": body["Image"],
                "ImageID": IMAGE_ID,
                "State": "created",
                "Status": "Created",
                "Mounts": [],
                "NetworkSettings": {"Networks": {}},
                "HostConfig": {"NetworkMode": "default"},
            }
        self.made[kind, name] = described
        return described


class Handler(BaseHTTPRequestHandler):
    """Answers just enough for ``docker compose create``."""

    protocol_version = "HTTP/1.1"
    server: RecordingEngine

    def answer(self) -> None:
        """Any request."""
        parts = urlsplit(self.path)
        path = re.sub(r"^/v1\.\d+", "", parts.path)
        body = self.read_body()
        status, value = self.find(path, parse_qs(parts.query), json.loads(body) if body[:1] == b"{" else {})
        text = b"" if path == "/_ping" else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Api-Version", "1.51")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PUT = do_HEAD = answer  # noqa: N815 - names of the base class

    def read_body(self) -> bytes:
        """The request's body, chunked or not."""
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def find(self, path: str, query: dict[str, list[str]], body: Json) -> tuple[int, object]:
        """Status and document."""
        if path in FIXED:
            return 200, FIXED[path]
        if path.startswith("/images/"):
            return 200, {"Id": IMAGE_ID, "Config": {}, "Os": "linux", "Architecture": "amd64"}
        kind, name = path.split("/")[1].removesuffix("s"), "/".join(path.split("/")[2:3])
        if name == "create":
            name = body.get("Name") or query["name"][0]
            return 201, self.server.make(kind, name, body)
        if self.command == "PUT":
            return 200, {}
        if name and name != "json":
            found = self.server.made.get((kind, name.removeprefix("id-")))
            return (
                (200, self.inspected(kind, found)) if found else (404, {"message": f"no such {kind}: {name}"})
            )
        return 200, [value for (of, _), value in self.server.made.items() if of == kind]

    def inspected(self, kind: str, found: Json) -> Json:
        """A container's inspection differs from its line in the list."""
        if kind != "container":
            return found
        config = {"Image": found["Image"], "Labels": found["Labels"]}
        state = {"Status": "created", "Running": False}
        return {
            **found,
            "Image": IMAGE_ID,
            "State": state,
            "Config": config,
            "Created": "2024-01-01T00:00:00Z",
        }

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""

    def address_string(self) -> str:
        """A unix socket has no address."""
        return "local"


@contextmanager
def open_recording_engine(path: str, *, networks: list[str], volumes: list[str]) -> Iterator[RecordingEngine]:
    """Serve at a socket; `networks` and `volumes` are there from the start."""
    server = RecordingEngine(path)
    for kind, names in (("network", networks), ("volume", volumes)):
        for name in names:
            server.make(kind, name, {})
    server.bodies.clear()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
