# SPDX-License-Identifier: Apache-2.0
"""Pulls from registries that stall, lie, break off and send round in circles: right or refused, never half."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import random
import sys
import threading
from pathlib import Path
from typing import BinaryIO

import pytest
import zstandard
from aiohttp import web

from image_archives import make_config, make_tar
from kernel.registry_scene import RegistryScene, run
from sampan.archive.entry import ArchiveRefused
from sampan.content.writer import SizeMismatch
from sampan.errors import DataCorrupt, NotFound, PermissionDenied, SampanError, Unauthenticated, Unavailable
from sampan.image import layers
from sampan.oci import media_type
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import DigestMismatch
from sampan.oci.manifest import encode_manifest
from sampan.registry.credentials import Credentials
from sampan.registry.failures import Broken
from sampan.registry.settings import Limits, Mirror, Rule
from scripted_registry import ScriptedRegistry, break_off, digest_of, range_start, refusal

MIB = 1 << 20
NOISE = random.Random(4).randbytes(5 * MIB)
BASE = make_tar([("etc/hostname", b"base\n"), ("gone", b"x")])
LARGE = make_tar([("data", NOISE), (".wh.gone", b"")])
PACKED = gzip.compress(LARGE, 1, mtime=0)


def read(path: Path) -> bytes:
    return path.read_bytes()


async def _refused(
    scene: RegistryScene, registry: ScriptedRegistry, kind: type[SampanError], words: str
) -> None:
    with pytest.raises(kind, match=words):
        await scene.pull(registry.reference())
    assert scene.is_empty()


def test_a_pulled_image_has_its_names_layers_and_digests(tmp_path: Path) -> None:
    async def work() -> None:
        async with ScriptedRegistry() as registry, RegistryScene(tmp_path) as scene:
            raw = registry.add_image("1", [BASE, LARGE])
            pulled = await scene.pull(registry.reference())
            image = scene.store.resolve(str(registry.reference()))
            assert image.repo_digests == (f"{registry.host}/app@{digest_of(raw)}",)
            assert pulled.is_new
            assert read(scene.layer(image.chain_id) / "data") == NOISE
            assert not (await scene.pull(registry.reference())).is_new
            assert "Already exists" in scene.statuses()
            by_digest = await scene.pull(registry.reference(f"app@{digest_of(raw)}"))
            assert by_digest.image.id == image.id

    run(work)


def test_a_connection_dropped_at_every_megabyte_is_resumed(tmp_path: Path) -> None:
    async def work() -> None:
        async with ScriptedRegistry() as registry, RegistryScene(tmp_path) as scene:
            registry.add_image("1", [LARGE], packed=[PACKED])

            async def fault(request: web.Request, _: int) -> web.StreamResponse | None:
                rest = PACKED[range_start(request) :]
                if digest_of(PACKED) not in request.path or len(rest) <= MIB:
                    return None
                return await break_off(request, rest[:MIB], len(rest))

            registry.fault = fault
            await scene.pull(registry.reference())
            asked = [one.headers.get("Range") for one in registry.seen("GET", digest_of(PACKED))]
            assert len(asked) >= 5
            assert all(asked[1:])

    run(work)


def test_a_registry_that_ignores_ranges_is_read_from_the_start(tmp_path: Path) -> None:
    async def work() -> None:
        async with ScriptedRegistry() as registry, RegistryScene(tmp_path) as scene:
            registry.add_image("1", [LARGE], packed=[PACKED])

            async def fault(request: web.Request, count: int) -> web.StreamResponse | None:
                if digest_of(PACKED) not in request.path:
                    return None
                if count == 0:
                    return await break_off(request, PACKED[:MIB], len(PACKED))
                return web.Response(body=PACKED)

            registry.fault = fault
            await scene.pull(registry.reference())

    run(work)


def test_a_stall_is_ended_and_resumed(tmp_path: Path) -> None:
    async def work() -> None:
        async with ScriptedRegistry() as registry, RegistryScene(tmp_path) as scene:
            registry.add_image("1", [LARGE], packed=[PACKED])

            async def fault(request: web.Request, count: int) -> web.StreamResponse | None:
                if digest_of(PACKED) not in request.path or count:
                    return None
                response = web.StreamResponse()
                response.content_length = len(PACKED)
                await response.prepare(request)
                await response.write(PACKED[:MIB])
                await asyncio.Event().wait()
                return response

            registry.fault = fault
            await scene.pull(registry.reference())

    run(work)


def test_a_blob_that_never_ends_whole_is_given_up(tmp_path: Path) -> None:
    async def work() -> None:
        async with ScriptedRegistry() as registry, RegistryScene(tmp_path) as scene:
            registry.add_image("1", [BASE, LARGE], packed=[gzip.compress(BASE), PACKED])

            async def fault(request: web.Request, _: int) -> web.StreamResponse | None:
                if digest_of(PACKED) not in request.path:
                    return None
                if range_start(request):
                    return await break_off(request, b"", len(PACKED) - range_start(request))
                return await break_off(request, PACKED[:MIB], len(PACKED))

            registry.fault = fault
            await _refused(scene, registry, Unavailable, "and no more")

    run(work)


@pytest.mark.parametrize(
    ("sent", "kind", "words"),
    [
        (PACKED[:4] + b"\1" + PACKED[5:], DigestMismatch, "content has digest"),
        (PACKED + b"more", Broken, "longer than its descriptor"),
        (PACKED[:-4], Unavailable, "and no more"),
    ],
)
def test_a_blob_that_is_not_what_it_is_called_is_refused(
    tmp_path: Path, sent: bytes, kind: type[SampanError], words: str
) -> None:
    async def work() -> None:
        async with ScriptedRegistry() as registry, RegistryScene(tmp_path) as scene:
            registry.add_image("1", [LARGE], packed=[PACKED])
            registry.blobs[digest_of(PACKED)] = sent
            await _refused(scene, registry, kind, words)

    run(work)


def test_a_layer_that_is_not_the_configs_is_refused(tmp_path: Path) -> None:
    async def work() -> None:
        async with ScriptedRegistry() as registry, RegistryScene(tmp_path) as scene:
            registry.add_image("1", [BASE, LARGE], packed=[PACKED, PACKED])
            await _refused(scene, registry, DigestMismatch, "content has digest")

    run(work)


def test_a_manifest_with_another_digest_than_asked_for_is_refused(tmp_path: Path) -> None:
    async def work() -> None:
        async with ScriptedRegistry() as registry, RegistryScene(tmp_path) as scene:
            raw = registry.add_image("1", [BASE])
            registry.manifests[digest_of(raw)] = (media_type.OCI_MANIFEST, raw + b" ")
            with pytest.raises(DigestMismatch):
                await scene.pull(registry.reference(f"app@{digest_of(raw)}"))
            assert scene.is_empty()

    run(work)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_passing_failure_is_tried_again(tmp_path: Path, status: int) -> None:
    async def work() -> None:
        async with ScriptedRegistry() as registry, RegistryScene(tmp_path) as scene:
            registry.add_image("1", [BASE])

            async def fault(request: web.Request, count: int) -> web.StreamResponse | None:
                is_first = count == 0 and request.path != "/v2/"
                return refusal(status, "TOOMANYREQUESTS", "slow down", Retry_After="0") if is_first else None

            registry.fault = fault
            await scene.pull(registry.reference())

    run(work)


@pytest.mark.parametrize("status", [429, 500])
def test_a_passing_failure_in_the_middle_of_a_blob_is_passed_over(tmp_path: Path, status: int) -> None:
    async def work() -> None:
        async with ScriptedRegistry() as registry, RegistryScene(tmp_path) as scene:
            registry.add_image("1", [LARGE], packed=[PACKED])

            async def fault(request: web.Request, count: int) -> web.StreamResponse | None:
                if digest_of(PACKED) not in request.path:
                    return None
                if count == 0:
                    return await break_off(request, PACKED[:MIB], len(PACKED))
                return refusal(status, "UNKNOWN", "not now", Retry_After="0") if count == 1 else None

            registry.fault = fault
            await scene.pull(registry.reference())
            asked = [range_start(one) for one in registry.seen("GET", digest_of(PACKED))]
            assert asked[0] == 0 < asked[1] == asked[2]

    run(work)


def test_a_lasting_429_says_so(tmp_path: Path) -> None:
    async def work() -> None:
        async with ScriptedRegistry() as registry, RegistryScene(tmp_path) as scene:

            async def fault(request: web.Request, _: int) -> web.StreamResponse | None:
                return refusal(429, "TOOMANYREQUESTS", "You have reached your pull rate limit")

            registry.fault = fault
            await _refused(
                scene, registry, Unavailable, "toomanyrequests: You have reached your pull rate limit"
            )

    run(work)


def test_a_redirect_loop_ends(tmp_path: Path) -> None:
    async def work() -> None:
        async with ScriptedRegistry() as registry, RegistryScene(tmp_path) as scene:
            registry.add_image("1", [BASE])

            async def fault(request: web.Request, _: int) -> web.StreamResponse | None:
                if "/blobs/" not in request.path:
                    return None
                return web.Response(status=307, headers={"Location": request.path})

            registry.fault = fault
            await _refused(scene, registry, Unavailable, "stopped after 10 redirects")

    run(work)


def test_credentials_do_not_follow_a_redirect_to_another_host(tmp_path: Path) -> None:
    async def work() -> None:
        async with (
            ScriptedRegistry() as registry,
            ScriptedRegistry() as elsewhere,
            RegistryScene(tmp_path) as scene,
        ):
            registry.add_image("1", [BASE])
            elsewhere.blobs = registry.blobs

            async def fault(request: web.Request, _: int) -> web.StreamResponse | None:
                if "Authorization" not in request.headers:
                    return refusal(401, "UNAUTHORIZED", "who", WWW_Authenticate='Basic realm="x"')
                if "/blobs/" in request.path:
                    location = f"http://{elsewhere.host}{request.path}"
                    return web.Response(status=307, headers={"Location": location})
                return None

            registry.fault = fault
            await scene.pull(registry.reference(), Credentials("user", "secret"))
            assert elsewhere.requests
            assert all("Authorization" not in one.headers for one in elsewhere.requests)

    run(work)


def test_bearer_tokens_are_fetched_for_the_scope_and_renewed(tmp_path: Path) -> None:
    async def work() -> None:
        async with ScriptedRegistry() as registry, RegistryScene(tmp_path) as scene:
            registry.add_image("1", [BASE])
            good = ["t1"]

            async def fault(request: web.Request, count: int) -> web.StreamResponse | None:
                if request.path == "/token":
                    assert request.query["scope"] == "repository:app:pull"
                    assert request.headers["Authorization"].startswith("Basic ")
                    if count == 1:  # and the server of tokens may be busy, too
                        return web.Response(status=503, headers={"Retry-After": "0"})
                    return web.json_response({"token": f"t{count + 1}"})
                if request.headers.get("Authorization") == f"Bearer {good[0]}":
                    good[0] = "t3"  # the first request spends the first token
                    return None
                challenge = (
                    f'Bearer realm="http://{registry.host}/token",service="s",scope="repository:app:pull"'
                )
                return refusal(401, "UNAUTHORIZED", "authentication required", WWW_Authenticate=challenge)

            registry.fault = fault
            await scene.pull(registry.reference(), Credentials("user", "secret"))
            assert len(registry.seen("GET", "/token")) == 3

    run(work)


@pytest.mark.parametrize(
    ("status", "challenge", "kind", "words"),
    [
        (401, 'Basic realm="x"', Unauthenticated, "no basic auth credentials"),
        (403, "", PermissionDenied, "denied: not you"),
        (404, "", NotFound, "manifest for .*/app:1 not found: manifest unknown: manifest unknown"),
    ],
)
def test_refusals_have_dockers_words(
    tmp_path: Path, status: int, challenge: str, kind: type[SampanError], words: str
) -> None:
    async def work() -> None:
        async with ScriptedRegistry() as registry, RegistryScene(tmp_path) as scene:

            async def fault(request: web.Request, _: int) -> web.StreamResponse | None:
                if request.path == "/v2/":
                    return None
                headers = {"WWW_Authenticate": challenge} if challenge else {}
                return refusal(status, {404: "MANIFEST_UNKNOWN"}.get(status, "DENIED"), "not you", **headers)

            registry.fault = fault
            await _refused(scene, registry, kind, words)

    run(work)


def test_documents_larger_than_the_limits_are_refused(tmp_path: Path) -> None:
    async def work() -> None:
        limits = Limits(manifest_bytes=2000, config_bytes=300, layers=3)
        async with ScriptedRegistry() as registry, RegistryScene(tmp_path, limits=limits) as scene:
            registry.add_manifest("1", b'{"schemaVersion":2,"x":"' + b"x" * 3000 + b'"}')
            await _refused(scene, registry, Unavailable, "manifest 1 has 3026 bytes, more than the limit")
            registry.add_image("1", [BASE, LARGE], packed=[b"a", b"b"])
            await _refused(scene, registry, Unavailable, "bytes, more than the limit of 300")
            config = Descriptor.of(b"{}", media_type.OCI_CONFIG)
            layer = Descriptor.of(b"", media_type.OCI_LAYER)
            registry.add_manifest("1", encode_manifest(config, [layer] * 4))
            await _refused(scene, registry, DataCorrupt, "4 layers, more than the limit of 3")

    run(work)


def test_a_manifest_that_announces_a_huge_config_is_not_believed(tmp_path: Path) -> None:
    async def work() -> None:
        async with ScriptedRegistry() as registry, RegistryScene(tmp_path) as scene:
            config = Descriptor(media_type.OCI_CONFIG, Descriptor.of(b"{}", "").digest, 1 << 40)
            registry.add_manifest("1", encode_manifest(config, []))
            await _refused(scene, registry, Unavailable, "more than the limit")

    run(work)


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress])
def test_bombs_are_refused(tmp_path: Path, pack) -> None:  # type: ignore[no-untyped-def]
    async def work() -> None:
        bomb = make_tar([("zero", bytes(64 * MIB))])
        async with (
            ScriptedRegistry() as registry,
            RegistryScene(tmp_path, limits=Limits(layer_bytes=16 * MIB)) as scene,
        ):
            registry.add_image("1", [bomb], packed=[pack(bomb)])
            await _refused(scene, registry, ArchiveRefused, "archive unpacks to more than")
            tail = BASE + bytes(64 * MIB)
            registry.add_image("1", [tail], packed=[pack(tail)])
            await _refused(scene, registry, ArchiveRefused, "archive unpacks to more than")

    run(work)


def test_an_index_leads_to_the_platform_and_not_in_circles(tmp_path: Path) -> None:
    async def work() -> None:
        async with ScriptedRegistry() as registry, RegistryScene(tmp_path) as scene:
            raw = registry.add_image("amd64", [BASE])
            own = {"mediaType": media_type.OCI_MANIFEST, "digest": digest_of(raw), "size": len(raw)}
            other = own | {
                "digest": digest_of(b"other"),
                "platform": {"os": "linux", "architecture": "s390x"},
            }
            own |= {"platform": {"os": "linux", "architecture": os.uname().machine}}
            index = json.dumps(
                {"schemaVersion": 2, "mediaType": media_type.OCI_INDEX, "manifests": [other, own]}
            ).encode()
            registry.add_manifest("1", index, media_type.OCI_INDEX)
            pulled = await scene.pull(registry.reference())
            assert str(pulled.digest) == digest_of(index)
            assert pulled.image.repo_digests == (f"{registry.host}/app@{digest_of(index)}",)

    run(work)


def test_an_artifact_is_not_taken_for_an_image(tmp_path: Path) -> None:
    async def work() -> None:
        async with ScriptedRegistry() as registry, RegistryScene(tmp_path) as scene:
            config = Descriptor.of(b"{}", media_type.OCI_EMPTY)
            registry.add_manifest("1", encode_manifest(config, []))
            await _refused(scene, registry, SampanError, "not an image: its config has the media type")

    run(work)


def test_two_pulls_at_once_download_each_layer_once(tmp_path: Path) -> None:
    async def work() -> None:
        async with ScriptedRegistry() as registry, RegistryScene(tmp_path) as scene:
            registry.add_image("1", [BASE, LARGE], packed=[gzip.compress(BASE), PACKED])
            registry.add_image(
                "2", [BASE, LARGE, BASE], packed=[gzip.compress(BASE), PACKED, gzip.compress(BASE)]
            )
            first, second = await asyncio.gather(
                scene.pull(registry.reference("app:1")), scene.pull(registry.reference("app:2"))
            )
            assert first.image.chain_ids == second.image.chain_ids[:2]
            assert len(registry.seen("GET", digest_of(PACKED))) == 1
            assert not os.listdir(scene.root / "content" / "ingest")

    run(work)


def test_a_cancelled_pull_leaves_nothing(tmp_path: Path) -> None:
    async def work() -> None:
        async with ScriptedRegistry() as registry, RegistryScene(tmp_path) as scene:
            registry.add_image("1", [BASE, LARGE], packed=[gzip.compress(BASE), PACKED])
            is_under_way = asyncio.Event()

            async def fault(request: web.Request, _: int) -> web.StreamResponse | None:
                if digest_of(PACKED) in request.path:
                    is_under_way.set()
                    await asyncio.Event().wait()
                return None

            registry.fault = fault
            pull = asyncio.ensure_future(scene.pull(registry.reference()))
            await is_under_way.wait()
            pull.cancel()
            with pytest.raises(asyncio.CancelledError):
                await pull
            assert scene.is_empty()

    run(work)


TESTS = str(Path(__file__).resolve().parents[1])
PULL = """
import asyncio, sys
from pathlib import Path
from typing import BinaryIO
sys.path.insert(0, sys.argv[3])
from kernel.registry_scene import RegistryScene
from sampan.oci.reference import parse_reference
async def main():
    async with RegistryScene(Path(sys.argv[1])) as scene:
        await scene.pull(parse_reference(sys.argv[2]))
asyncio.run(main())
"""


def test_a_pull_that_is_killed_leaves_a_store_that_opens(tmp_path: Path) -> None:
    async def work() -> None:
        async with ScriptedRegistry() as registry:
            registry.add_image("1", [BASE, LARGE], packed=[gzip.compress(BASE), PACKED])
            is_half = asyncio.Event()

            async def fault(request: web.Request, _: int) -> web.StreamResponse | None:
                if digest_of(PACKED) not in request.path:
                    return None
                response = web.StreamResponse()
                response.content_length = len(PACKED)
                await response.prepare(request)
                await response.write(PACKED[: 4 * MIB])
                is_half.set()
                await asyncio.Event().wait()
                return response

            registry.fault = fault
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-c", PULL, str(tmp_path), str(registry.reference()), TESTS
            )
            await is_half.wait()
            child.kill()
            await child.wait()
            registry.fault = None
            async with RegistryScene(tmp_path) as scene:
                assert scene.is_empty()
                await scene.pull(registry.reference())

    run(work)


def test_a_mirror_that_is_not_there_is_passed_over(tmp_path: Path) -> None:
    async def work() -> None:
        async with ScriptedRegistry() as registry, ScriptedRegistry() as mirror:
            registry.add_image("1", [BASE])
            mirror.add_image("2", [BASE])
            places = (Mirror("127.0.0.1:1/none"), Mirror(f"{mirror.host}/copy"))
            rules = (Rule(registry.host, mirrors=places),)
            async with RegistryScene(tmp_path, rules=rules) as scene:
                await scene.pull(registry.reference("app:1"))
                await scene.pull(registry.reference("app:2"))
                assert mirror.seen("GET", "/v2/copy/app/manifests/1")
                assert not registry.seen("GET", "/v2/app/manifests/2")

    run(work)


def test_a_blob_that_is_shorter_than_its_descriptor_is_never_named(tmp_path: Path) -> None:
    scene = RegistryScene(tmp_path)
    try:
        descriptor = Descriptor(media_type.OCI_LAYER, Descriptor.of(b"abc", "").digest, 5)
        with scene.content.writer(descriptor.digest, descriptor.size) as writer:
            writer.write(b"abc")
            with pytest.raises(SizeMismatch):
                writer.commit()
        assert scene.is_empty()
    finally:
        scene.database.close()


def test_a_config_that_speaks_of_other_layers_is_refused(tmp_path: Path) -> None:
    async def work() -> None:
        async with ScriptedRegistry() as registry, RegistryScene(tmp_path) as scene:
            config = make_config([BASE, LARGE])
            registry.blobs[digest_of(config)] = config
            layer = Descriptor.of(gzip.compress(BASE), media_type.OCI_LAYER_GZIP)
            raw = encode_manifest(Descriptor.of(config, media_type.OCI_CONFIG), [layer])
            registry.add_manifest("1", raw)
            await _refused(scene, registry, DataCorrupt, "manifest has 1 layers, the config speaks of 2")

    run(work)


def test_a_pull_is_cancelled_also_while_it_unpacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    is_unpacking, go_on = threading.Event(), threading.Event()

    def applying(stream: BinaryIO, *_: object, **__: object) -> None:
        stream.read(MIB)
        is_unpacking.set()
        go_on.wait(20)
        while stream.read(MIB):
            pass
        raise AssertionError("the whole layer was read")

    monkeypatch.setattr(layers, "apply_layer", applying)

    async def work() -> None:
        async with ScriptedRegistry() as registry, RegistryScene(tmp_path) as scene:
            registry.add_image("1", [LARGE], packed=[PACKED])
            pull = asyncio.ensure_future(scene.pull(registry.reference()))
            await asyncio.to_thread(is_unpacking.wait, 20)
            pull.cancel()
            asyncio.get_running_loop().call_later(0.05, go_on.set)
            with pytest.raises(asyncio.CancelledError):
                await pull
            assert scene.is_empty()

    run(work)
