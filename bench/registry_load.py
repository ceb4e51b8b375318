# SPDX-License-Identifier: Apache-2.0
"""What clients ask of a registry, as docker's would: a number of processes that start together.

An image of layers like python's (250 MB), and many images that are small: there the requests count, not the bytes.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import multiprocessing
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier

MIB = 1 << 20
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
PYTHON_LAYERS = (49 * MIB, 24 * MIB, 64 * MIB, 101 * MIB, 6 * MIB, 6 * MIB)
PUSHED_LAYERS = (8 * MIB, 5 * MIB, 3 * MIB)
SMALL_IMAGES = 20
SMALL_PULLS = 3
LIMIT_S = 300.0

Work = Callable[[http.client.HTTPConnection], None]


@dataclass(frozen=True, slots=True)
class Load:
    """`prepare` makes, untimed, what one client is then timed with."""

    key: str
    title: str
    prepare: Callable[[str, int, int], Work]


def run_load(load: Load, host: str, clients: int, number: int) -> float:
    """Seconds from the common start until the last client is done."""
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(clients + 1)
    processes = [
        context.Process(target=_client, args=(load, host, client, number, barrier))
        for client in range(clients)
    ]
    for process in processes:
        process.start()
    try:
        barrier.wait(LIMIT_S)
        started = time.monotonic()
        for process in processes:
            process.join(LIMIT_S)
        taken = time.monotonic() - started
    finally:
        for process in processes:
            process.kill()
            process.join()
    if any(process.exitcode for process in processes):
        raise SystemExit(f"{load.key}: a client of {host} failed")
    return taken


def _client(load: Load, host: str, client: int, number: int, barrier: Barrier) -> None:
    work = load.prepare(host, client, number)
    connection = http.client.HTTPConnection(host, timeout=LIMIT_S)
    connection.connect()
    barrier.wait(LIMIT_S)
    work(connection)


def _push_image(host: str, client: int, number: int) -> Work:
    layers = [_random(f"{host} {client} {number} {place}", size) for place, size in enumerate(PUSHED_LAYERS)]
    digests = [_digest(layer) for layer in layers]
    return lambda connection: _push(connection, f"pushed/{client}", "latest", layers, digests)


def _pull_image(host: str, client: int, number: int) -> Work:
    if client == 0 and number == 0:
        layers = [_random(f"python {place}", size) for place, size in enumerate(PYTHON_LAYERS)]
        _push(http.client.HTTPConnection(host), "python", "latest", layers, [_digest(one) for one in layers])
    return lambda connection: _pull(connection, "python", "latest")


def _push_small(host: str, client: int, number: int) -> Work:
    layers = [_random(f"{client} {number} {image}", 2000) for image in range(SMALL_IMAGES)]

    def work(connection: http.client.HTTPConnection) -> None:
        for image, layer in enumerate(layers):
            _push(connection, f"small/{client}", f"v{image}", [layer], [_digest(layer)])

    return work


def _pull_small(host: str, client: int, number: int) -> Work:
    if number == 0:
        _push_small(host, client, -1)(http.client.HTTPConnection(host))

    def work(connection: http.client.HTTPConnection) -> None:
        for _ in range(SMALL_PULLS):
            for image in range(SMALL_IMAGES):
                _ask(connection, "HEAD", f"/v2/small/{client}/manifests/v{image}", accept=MANIFEST)
                _pull(connection, f"small/{client}", f"v{image}")

    return work


LOADS = [
    Load("push", "push of 250 MB, 16 MB a client", _push_image),
    Load("pull", "pull of 250 MB by each client", _pull_image),
    Load("push-small", f"push of {SMALL_IMAGES} small images by each client", _push_small),
    Load("pull-small", f"pull of {SMALL_IMAGES * SMALL_PULLS} small images by each client", _pull_small),
]


def _push(
    connection: http.client.HTTPConnection, name: str, tag: str, layers: list[bytes], digests: list[str]
) -> None:
    config = json.dumps({"rootfs": digests, "tag": tag, "made": os.getpid()}).encode()
    for data, digest in zip([*layers, config], [*digests, _digest(config)], strict=True):
        place = _ask(connection, "POST", f"/v2/{name}/blobs/uploads/").getheader("Location", "")
        place = _ask(connection, "PATCH", place, data).getheader("Location", "")
        _ask(connection, "PUT", f"{place}{'&' if '?' in place else '?'}digest={digest}")
    items = [
        {"mediaType": f"application/vnd.oci.image.{kind}", "digest": digest, "size": size}
        for kind, digest, size in [
            ("config.v1+json", _digest(config), len(config)),
            *(("layer.v1.tar", digest, len(layer)) for digest, layer in zip(digests, layers, strict=True)),
        ]
    ]
    raw = json.dumps(
        {"schemaVersion": 2, "mediaType": MANIFEST, "config": items[0], "layers": items[1:]}
    ).encode()
    _ask(connection, "PUT", f"/v2/{name}/manifests/{tag}", raw, MANIFEST)


def _pull(connection: http.client.HTTPConnection, name: str, tag: str) -> None:
    raw = _ask(connection, "GET", f"/v2/{name}/manifests/{tag}", accept=MANIFEST, keep=True).read()
    manifest = json.loads(raw)
    buffer = bytearray(MIB)
    for item in [manifest["config"], *manifest["layers"]]:
        response = _ask(connection, "GET", f"/v2/{name}/blobs/{item['digest']}", keep=True)
        left = item["size"]
        while left:
            left -= response.readinto(buffer)
        response.read()


def _ask(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes = b"",
    kind: str = "application/octet-stream",
    *,
    accept: str = "*/*",
    keep: bool = False,
) -> http.client.HTTPResponse:
    path = path[path.index("/v2/") :]  # a Location may name the host
    connection.request(method, path, body, {"Content-Type": kind, "Accept": accept})
    response = connection.getresponse()
    if response.status >= 300:
        raise SystemExit(f"{method} {path}: {response.status} {response.read()[:200]!r}")
    if not keep:
        response.read()
    return response


def _random(seed: str, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
