# SPDX-License-Identifier: Apache-2.0
"""How layers come: side by side, unpacked on the way, however they are packed; and hosts that cannot be reached."""

from __future__ import annotations

import asyncio
import gzip
import random
from pathlib import Path

import pytest
import zstandard
from aiohttp import web

from image_archives import make_config, make_tar
from kernel.registry_scene import RegistryScene, run
from sampan.errors import Unavailable
from sampan.oci import media_type
from sampan.oci.descriptor import Descriptor
from sampan.oci.manifest import encode_manifest
from sampan.oci.reference import parse_reference
from sampan.registry.settings import Patience
from scripted_registry import ScriptedRegistry, digest_of

NOISE = random.Random(5).randbytes(4 << 20)
PATIENT = Patience(connect_s=30.0, stall_s=60.0, attempts=1, first_delay_s=0.01, longest_delay_s=0.1)
LIMIT_S = 60.0


def test_layers_come_side_by_side(tmp_path: Path) -> None:
    async def work() -> None:
        async with ScriptedRegistry() as registry, RegistryScene(tmp_path, patience=PATIENT) as scene:
            layers = [make_tar([(f"file{number}", b"x")]) for number in range(3)]
            registry.add_image("1", layers)
            wanted = {digest_of(gzip.compress(layer, mtime=0)) for layer in layers}
            asked: set[str] = set()
            all_asked = asyncio.Event()

            async def fault(request: web.Request, _: int) -> web.StreamResponse | None:
                digest = request.path.rpartition("/")[2]
                if digest in wanted:
                    asked.add(digest)
                    if asked == wanted:
                        all_asked.set()
                    async with asyncio.timeout(LIMIT_S):
                        await all_asked.wait()  # none is answered before all are asked for
                return None

            registry.fault = fault
            pulled = await scene.pull(registry.reference())
            assert len(pulled.image.chain_ids) == 3

    run(work)


def test_a_layer_is_unpacked_while_it_comes(tmp_path: Path) -> None:
    async def work() -> None:
        async with ScriptedRegistry() as registry, RegistryScene(tmp_path, patience=PATIENT) as scene:
            tar = make_tar([("first", b"x"), ("data", NOISE)])
            packed = gzip.compress(tar, 1, mtime=0)
            registry.add_image("1", [tar], packed=[packed])

            async def fault(request: web.Request, _: int) -> web.StreamResponse | None:
                if not request.path.endswith(digest_of(packed)):
                    return None
                response = web.StreamResponse()
                response.content_length = len(packed)
                await response.prepare(request)
                await response.write(packed[: 3 << 20])
                async with asyncio.timeout(LIMIT_S):
                    while not list((tmp_path / "snapshots").rglob("first")):  # noqa: ASYNC110 - the disk tells nobody
                        await asyncio.sleep(0.01)
                await response.write(packed[3 << 20 :])
                return response

            registry.fault = fault
            pulled = await scene.pull(registry.reference())
            assert (scene.layer(pulled.image.chain_id) / "data").read_bytes() == NOISE

    run(work)


def test_layers_of_each_packing_come_and_go_as_they_are(tmp_path: Path) -> None:
    async def work() -> None:
        async with ScriptedRegistry() as registry, RegistryScene(tmp_path) as scene:
            tars = [make_tar([(name, name.encode())]) for name in ("zstd", "gzip", "plain")]
            layers = {
                zstandard.compress(tars[0]): media_type.OCI_LAYER_ZSTD,
                gzip.compress(tars[1], mtime=0): media_type.OCI_LAYER_GZIP,
                tars[2]: media_type.OCI_LAYER,
            }
            config = make_config(tars)
            registry.blobs |= {digest_of(data): data for data in (config, *layers)}
            described = [Descriptor.of(data, kind) for data, kind in layers.items()]
            raw = registry.add_manifest(
                "1", encode_manifest(Descriptor.of(config, media_type.OCI_CONFIG), described)
            )
            pulled = await scene.pull(registry.reference())
            for name, chain in zip(("zstd", "gzip", "plain"), pulled.image.chain_ids, strict=True):
                assert (scene.layer(chain) / name).read_text() == name
            registry.blobs.clear()
            scene.store.tag(pulled.image, str(registry.reference("app:2")))
            await scene.pusher.push(registry.reference("app:2"), progress=scene.lines.append)
            assert registry.manifests["2"][1] == raw
            assert set(registry.blobs) == {digest_of(data) for data in (config, *layers)}

    run(work)


def test_a_host_that_nobody_knows_is_said(tmp_path: Path) -> None:
    async def work() -> None:
        async with RegistryScene(tmp_path) as scene:
            with pytest.raises(
                Unavailable, match=r'"https://none\.invalid/v2/": dial tcp: lookup none\.invalid'
            ):
                await scene.pull(parse_reference("none.invalid/app:1"))

    run(work)


def test_a_host_that_never_answers_is_given_up(tmp_path: Path) -> None:
    async def work() -> None:
        asked = 0

        async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal asked
            asked += 1
            await reader.read()
            writer.close()

        server = await asyncio.start_server(listen, "127.0.0.1")
        port = server.sockets[0].getsockname()[1]
        hasty = Patience(connect_s=0.2, stall_s=0.2, attempts=2, first_delay_s=0.01, longest_delay_s=0.1)
        async with server, RegistryScene(tmp_path, patience=hasty) as scene:
            with pytest.raises(Unavailable, match=r"did not answer in time"):
                await scene.pull(parse_reference(f"127.0.0.1:{port}/app:1"))
        assert asked >= 2

    run(work)


def test_a_proxy_of_the_environment_is_gone_through(tmp_path: Path) -> None:
    """The scripted registry answers requests as a proxy gets them: with the whole address."""

    async def work() -> None:
        async with ScriptedRegistry() as proxy:
            proxy.add_image("1", [make_tar([("file", b"x")])])
            environment = {"HTTP_PROXY": f"http://user:secret@{proxy.host}"}
            async with RegistryScene(
                tmp_path, environment=environment, insecure=("registry.invalid",)
            ) as scene:
                await scene.pull(parse_reference("registry.invalid/app:1"))
            assert {request.headers["Host"] for request in proxy.requests} == {"registry.invalid"}
            assert all("Proxy-Authorization" in request.headers for request in proxy.requests)

    run(work)
