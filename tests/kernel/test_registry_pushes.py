# SPDX-License-Identifier: Apache-2.0
"""Pushes: what is sent, what is not, and uploads that break off."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import pytest
from aiohttp import web

from image_archives import make_docker_archive, make_tar
from kernel.registry_scene import RegistryScene, run
from sampan.errors import NotFound, SampanError
from sampan.oci import media_type
from sampan.oci.reference import parse_reference
from sampan.registry import uploads
from scripted_registry import ScriptedRegistry, digest_of, refusal

TAR = make_tar([("etc/hostname", b"base\n"), ("data", bytes(range(256)) * 9000)])


def load(scene: RegistryScene, name: str) -> None:
    scene.store.load(io.BytesIO(make_docker_archive([TAR], name)))


def test_what_is_pulled_is_pushed_with_the_same_digests(tmp_path: Path) -> None:
    async def work() -> None:
        async with (
            ScriptedRegistry() as source,
            ScriptedRegistry() as target,
            RegistryScene(tmp_path) as scene,
        ):
            raw = source.add_image("1", [TAR])
            pulled = await scene.pull(source.reference())
            scene.store.tag(pulled.image, str(target.reference("copy:2")))
            pushed = await scene.pusher.push(target.reference("copy:2"))
            assert target.manifests["2"] == (media_type.OCI_MANIFEST, raw)
            assert str(pushed.descriptor.digest) == digest_of(raw)
            assert target.blobs == source.blobs
            digests = scene.store.resolve(str(target.reference("copy:2"))).repo_digests
            assert f"{target.host}/copy@{digest_of(raw)}" in digests

    run(work)


def test_a_second_push_sends_no_blob(tmp_path: Path) -> None:
    async def work() -> None:
        async with ScriptedRegistry() as registry, RegistryScene(tmp_path) as scene:
            load(scene, str(registry.reference()))
            await scene.pusher.push(registry.reference())
            sent = len(registry.seen("PUT", "/blobs/"))
            await scene.pusher.push(registry.reference(), progress=scene.lines.append)
            assert len(registry.seen("PUT", "/blobs/")) == sent
            assert "Layer already exists" in scene.statuses()

    run(work)


def test_a_foreign_layer_whose_blob_is_gone_is_not_replaced_by_another(tmp_path: Path) -> None:
    async def work() -> None:
        async with ScriptedRegistry() as registry, RegistryScene(tmp_path) as scene:
            load(scene, str(registry.reference()))
            chain = str(scene.store.resolve(str(registry.reference())).chain_id)
            blob = scene.store.layers.ensure_blob(chain)
            scene.store.layers.table.set_blob(chain, None)
            scene.content.remove(blob.digest)
            with pytest.raises(SampanError):
                # Python's tarfile wrote this layer, so it cannot be made again byte for byte.
                scene.store.layers.ensure_blob(chain)

    run(work)


def test_a_neighbours_blob_is_mounted(tmp_path: Path) -> None:
    async def work() -> None:
        async with ScriptedRegistry() as registry, RegistryScene(tmp_path) as scene:
            registry.add_image("1", [TAR])
            layer = digest_of(gzip.compress(TAR, mtime=0))
            pulled = await scene.pull(registry.reference("lib/app:1"))

            async def fault(request: web.Request, _: int) -> web.StreamResponse | None:
                if request.method == "HEAD":
                    return web.Response(status=404)
                if request.query.get("mount") == layer and request.query["from"] == "lib/app":
                    return web.Response(status=201)
                return None

            registry.fault = fault
            scene.store.tag(pulled.image, str(registry.reference("new/app:1")))
            await scene.pusher.push(registry.reference("new/app:1"), progress=scene.lines.append)
            assert "Mounted from lib/app" in scene.statuses()
            assert len(registry.seen("PUT", "/v2/new/app/blobs/")) == 1  # the config

    run(work)


@pytest.mark.parametrize("least", [0, 1 << 20])
def test_an_upload_that_breaks_goes_on_in_chunks(
    tmp_path: Path, least: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "CHUNK_BYTES", 1 << 20)

    async def work() -> None:
        async with ScriptedRegistry(least_chunk=least) as registry, RegistryScene(tmp_path) as scene:
            load(scene, str(registry.reference()))
            breaks = {"PUT": 1, "PATCH": 2}

            async def fault(request: web.Request, _: int) -> web.StreamResponse | None:
                if breaks.get(request.method) and int(request.headers.get("Content-Length", "0")) > 100:
                    breaks[request.method] -= 1
                    assert request.transport is not None
                    request.transport.abort()
                    return web.Response()
                return None

            registry.fault = fault
            await scene.pusher.push(registry.reference())
            manifest = json.loads(registry.manifests["1"][1])
            assert manifest["layers"][0]["digest"] in registry.blobs

    run(work)


@pytest.mark.parametrize("status", [429, 500, 503])
@pytest.mark.parametrize("least", [0, 1 << 20])
def test_a_passing_failure_of_any_request_is_passed_over(tmp_path: Path, status: int, least: int) -> None:
    async def work() -> None:
        async with ScriptedRegistry(least_chunk=least) as registry, RegistryScene(tmp_path) as scene:
            load(scene, str(registry.reference()))
            failed: set[tuple[str, str]] = set()

            async def fault(request: web.Request, _: int) -> web.StreamResponse | None:
                kind = request.method, request.path.rpartition("/")[0]
                if kind in failed:
                    return None
                failed.add(kind)
                return web.Response(status=status, headers={"Retry-After": "0"})

            registry.fault = fault
            await scene.pusher.push(registry.reference())
            assert {method for method, _ in failed} >= {
                "GET",
                "HEAD",
                "POST",
                "PUT",
                *(["PATCH"] if least else []),
            }
            manifest = json.loads(registry.manifests["1"][1])
            assert {one["digest"] for one in (manifest["config"], *manifest["layers"])} <= set(registry.blobs)

    run(work)


@pytest.mark.parametrize("is_final", [False, True])
def test_an_upload_that_the_registry_has_lost_begins_anew_and_not_for_ever(
    tmp_path: Path, is_final: bool
) -> None:
    async def work() -> None:
        async with ScriptedRegistry(least_chunk=1 << 20) as registry, RegistryScene(tmp_path) as scene:
            load(scene, str(registry.reference()))
            lost: set[str] = set()

            async def fault(request: web.Request, _: int) -> web.StreamResponse | None:
                if request.method == "PATCH" and (is_final or not lost):
                    lost.add(request.path)
                if request.path in lost:
                    await request.read()
                    return refusal(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
                return None

            registry.fault = fault
            if is_final:
                with pytest.raises(NotFound, match="blob upload unknown to registry"):
                    await scene.pusher.push(registry.reference())
                assert not registry.manifests
            else:
                await scene.pusher.push(registry.reference())
                assert "1" in registry.manifests
            assert len(registry.seen("PATCH", "/uploads/")) < 12

    run(work)


def test_an_upload_whose_last_answer_is_lost_is_there_all_the_same(tmp_path: Path) -> None:
    async def work() -> None:
        async with ScriptedRegistry(least_chunk=1 << 20) as registry, RegistryScene(tmp_path) as scene:
            load(scene, str(registry.reference()))

            async def fault(request: web.Request, count: int) -> web.StreamResponse | None:
                if request.method != "PUT" or "/uploads/" not in request.path:
                    return None
                if count:
                    return refusal(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
                held = bytes(registry.uploads[request.path.rpartition("/")[2]])
                registry.blobs[request.query["digest"]] = held
                assert request.transport is not None
                request.transport.abort()
                return web.Response()

            registry.fault = fault
            await scene.pusher.push(registry.reference())
            assert "1" in registry.manifests

    run(work)


def test_a_name_that_is_not_here_is_docker_s_error(tmp_path: Path) -> None:
    async def work() -> None:
        async with RegistryScene(tmp_path) as scene:
            with pytest.raises(
                NotFound, match=r"^An image does not exist locally with the tag: a\.example/b$"
            ):
                await scene.pusher.push(parse_reference("a.example/b:1"))

    run(work)
