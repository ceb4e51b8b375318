# SPDX-License-Identifier: Apache-2.0
"""Our registry as a process of its own, and a client that says exactly what it is told to."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from image_archives import sha256

SAMPAN = os.path.join(os.path.dirname(sys.executable), "sampan")
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
EMPTY = "application/vnd.oci.empty.v1+json"


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return str(self.json()["errors"][0]["code"])

    def __getitem__(self, name: str) -> str:
        return self.headers.get(name, "")


@dataclass
class Client:
    """Speaks plain HTTP on one connection; `headers` go with every request."""

    host: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._connection = http.client.HTTPConnection(self.host, timeout=30)

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | Iterator[bytes] = b"",
        headers: Mapping[str, str] | None = None,
        **query: str,
    ) -> Answer:
        parts = urlsplit(path)
        found = [parts.query, urlencode(query)]
        target = parts.path + ("?" if any(found) else "") + "&".join(text for text in found if text)
        fields = {**self.headers, **(headers or {})}
        self._connection.request(method, target, body, fields, encode_chunked=not isinstance(body, bytes))
        response = self._connection.getresponse()
        return Answer(response.status, response.headers, response.read())

    def close(self) -> None:
        self._connection.close()

    def push_blob(self, repository: str, data: bytes, algorithm: str = "sha256") -> str:
        name = digest_of(data, algorithm)
        done = self.ask("POST", f"/v2/{repository}/blobs/uploads/", data, digest=name)
        assert done.status == 201, done
        return name

    def push_image(
        self, repository: str, reference: str, layers: list[bytes], **fields: object
    ) -> tuple[str, bytes]:
        """An image of these layers; its digest and manifest."""
        config = json.dumps({"layers": [digest_of(layer) for layer in layers]}).encode()
        for data in (config, *layers):
            self.push_blob(repository, data)
        raw = manifest_of(config, layers, **fields)
        done = self.ask("PUT", f"/v2/{repository}/manifests/{reference}", raw, {"Content-Type": MANIFEST})
        assert done.status == 201, done
        return digest_of(raw), raw


def digest_of(data: bytes, algorithm: str = "sha256") -> str:
    import hashlib

    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def describe(data: bytes, media_type: str, **more: object) -> dict[str, object]:
    return {"mediaType": media_type, "digest": f"sha256:{sha256(data)}", "size": len(data), **more}


def manifest_of(config: bytes, layers: list[bytes], /, **fields: object) -> bytes:
    source = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": describe(config, "application/vnd.oci.image.config.v1+json"),
        "layers": [describe(layer, LAYER) for layer in layers],
        **fields,
    }
    return json.dumps({key: value for key, value in source.items() if value is not None}).encode()


def index_of(*manifests: bytes, **fields: object) -> bytes:
    source = {
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": [describe(raw, MANIFEST) for raw in manifests],
    }
    return json.dumps({**source, **fields}).encode()


@dataclass
class ServedRegistry:
    """`host` is where it listens; `log` what it has said so far."""

    root: Path
    options: tuple[str, ...] = ()
    host: str = ""
    log: bytearray = field(default_factory=bytearray)
    clients: list[Client] = field(default_factory=list)
    address: str = "127.0.0.1"

    def start(self) -> None:
        # On the same port again after the first time, as clients would find it after a restart.
        words = [SAMPAN, "registry", "serve", "--root", str(self.root), *self.options]
        words += ["--listen", self.host or f"{self.address}:0"]
        self.process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        assert self.process.stderr is not None
        line = self.process.stderr.readline().decode()
        assert "listens on" in line, line + self.process.stderr.read().decode()
        self.host = line.rpartition("//")[2].strip()
        self._reader = threading.Thread(target=self._read, args=(self.process.stderr,), daemon=True)
        self._reader.start()

    def kill(self) -> None:
        """As a power cut would, but for the page cache."""
        self.process.kill()
        self.process.wait()
        self._reader.join()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(20)
        self._reader.join()
        return status

    def client(self, **headers: str) -> Client:
        """One more connection, closed with the registry."""
        found = Client(self.host, headers)
        self.clients.append(found)
        return found

    def _read(self, stream: Any) -> None:
        with stream:
            while data := stream.read1(65536):
                self.log += data


@contextlib.contextmanager
def served_registry(root: Path, *options: str, address: str = "127.0.0.1") -> Iterator[ServedRegistry]:
    registry = ServedRegistry(root, options, address=address)
    registry.start()
    try:
        yield registry
    finally:
        if registry.process.poll() is None:
            registry.kill()
        for client in registry.clients:
            client.close()
