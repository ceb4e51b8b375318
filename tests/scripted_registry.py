# SPDX-License-Identifier: Apache-2.0
"""A registry that behaves as badly as a test tells it to: small, in the test's own event loop, everything recorded."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Self

from aiohttp import web
from aiohttp.test_utils import TestServer

from image_archives import make_config
from sampan.oci import media_type
from sampan.oci.descriptor import Descriptor
from sampan.oci.manifest import encode_manifest
from sampan.oci.reference import Reference, parse_reference

Fault = Callable[[web.Request, int], Awaitable[web.StreamResponse | None]]
"""Told the request, and how many like it came before; answers it, or leaves it to the registry."""


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@dataclass
class ScriptedRegistry:
    """Blobs and manifests of all repositories; `fault` sees each request first."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    uploads: dict[str, bytearray] = field(default_factory=dict)
    requests: list[web.Request] = field(default_factory=list)
    fault: Fault | None = None
    least_chunk: int = 0
    counts: dict[str, int] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self.server = TestServer(app)
        await self.server.start_server()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.server.close()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server.port}"

    def reference(self, name: str = "app:1") -> Reference:
        return parse_reference(f"{self.host}/{name}")

    def seen(self, method: str, part: str) -> list[web.Request]:
        return [one for one in self.requests if one.method == method and part in one.path_qs]

    def add_image(self, tag: str, tars: list[bytes], *, packed: list[bytes] | None = None) -> bytes:
        """An image of these layers, gzipped unless they come `packed`; its manifest."""
        config = make_config(tars)
        layers = packed or [gzip.compress(tar, mtime=0) for tar in tars]
        for data in (config, *layers):
            self.blobs[digest_of(data)] = data
        raw = encode_manifest(
            Descriptor.of(config, media_type.OCI_CONFIG),
            [Descriptor.of(layer, media_type.OCI_LAYER_GZIP) for layer in layers],
        )
        return self.add_manifest(tag, raw)

    def add_manifest(self, tag: str, raw: bytes, kind: str = media_type.OCI_MANIFEST) -> bytes:
        for name in (tag, digest_of(raw)):
            self.manifests[name] = (kind, raw)
        return raw

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        key = f"{request.method} {request.path}"
        count = self.counts.get(key, 0)
        self.counts[key] = count + 1
        if self.fault is not None and (answer := await self.fault(request, count)) is not None:
            return answer
        if request.path == "/v2/":
            return web.json_response({})
        if "/referrers/" in request.path:  # a registry of distribution-spec 1.0
            return web.Response(status=404)
        match = re.fullmatch(r"/v2/(.+)/(manifests|blobs)/(.+)", request.path)
        assert match is not None, request.path
        if match[3].startswith("uploads/"):
            return await self._upload(request, match[3].removeprefix("uploads/"))
        return (
            await self._manifest(request, match[3])
            if match[2] == "manifests"
            else self._blob(request, match[3])
        )

    async def _manifest(self, request: web.Request, name: str) -> web.Response:
        if request.method == "PUT":
            self.add_manifest(name, await request.read(), request.content_type)
            return web.Response(status=201)
        if name not in self.manifests:
            return refusal(404, "MANIFEST_UNKNOWN", "manifest unknown")
        kind, raw = self.manifests[name]
        headers = {"Content-Type": kind, "Docker-Content-Digest": digest_of(raw)}
        return web.Response(body=raw, headers=headers)

    def _blob(self, request: web.Request, digest: str) -> web.Response:
        if digest not in self.blobs:
            return refusal(404, "BLOB_UNKNOWN", "blob unknown to registry")
        data, start = self.blobs[digest], range_start(request)
        if not start:
            return web.Response(body=data)
        headers = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
        return web.Response(status=206, body=data[start:], headers=headers)

    async def _upload(self, request: web.Request, name: str) -> web.Response:
        if request.method == "POST":
            name = f"u{len(self.uploads)}"
            self.uploads[name] = bytearray()
            headers = {"Location": f"{request.path}{name}?state=x"}
            if self.least_chunk:
                headers["OCI-Chunk-Min-Length"] = str(self.least_chunk)
            return web.Response(status=202, headers=headers)
        held = self.uploads[name]
        place = {"Location": f"{request.path}?state=x", "Range": f"0-{max(len(held) - 1, 0)}"}
        if request.method == "GET":
            return web.Response(status=204, headers=place)
        if "Content-Range" in request.headers and not request.headers["Content-Range"].startswith(
            f"{len(held)}-"
        ):
            return refusal(416, "BLOB_UPLOAD_INVALID", "out of order")
        async for data in request.content.iter_any():
            held += data
        if request.method == "PATCH":
            return web.Response(status=202, headers=place)
        if digest_of(bytes(held)) != request.query["digest"]:
            return refusal(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        self.blobs[request.query["digest"]] = bytes(held)
        return web.Response(status=201)


def refusal(status: int, code: str, message: str, **headers: str) -> web.Response:
    body = {"errors": [{"code": code, "message": message}]}
    return web.json_response(
        body, status=status, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


def range_start(request: web.Request) -> int:
    match = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
    return int(match[1]) if match else 0


async def break_off(request: web.Request, data: bytes, length: int, **headers: str) -> web.StreamResponse:
    """Announce `length` bytes, send `data`, and end the connection."""
    start = range_start(request)
    response = web.StreamResponse(status=206 if start else 200)
    response.content_length = length
    if start:
        response.headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{start + length}"
    response.headers.update(headers)
    await response.prepare(request)
    await response.write(data)
    assert request.transport is not None
    request.transport.abort()
    return response
