# SPDX-License-Identifier: Apache-2.0
"""One name, an image for each platform: pulled side by side, chosen, pushed as an index, saved, removed."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest
import zstandard
from aiohttp import web

from image_archives import make_config, make_tar
from kernel.registry_scene import RegistryScene, run
from sampan.errors import Conflict, NotFound
from sampan.image.store import Image
from sampan.oci import media_type
from sampan.oci.descriptor import Descriptor
from sampan.oci.index import encode_index
from sampan.oci.manifest import encode_manifest
from sampan.oci.platform import Platform, host_platform, parse_platform
from sampan.oci.reference import Reference
from scripted_registry import ScriptedRegistry, digest_of, refusal

HOST = host_platform()
OTHER = parse_platform("linux/arm64" if HOST.architecture != "arm64" else "linux/amd64")
THIRD = parse_platform("linux/s390x")


def add_index(registry: ScriptedRegistry, tag: str, *platforms: Platform, note: str = "") -> bytes:
    entries = []
    for platform in platforms:
        tar = make_tar([("etc/platform", f"{platform}{note}".encode())])
        config = json.dumps(
            json.loads(make_config([tar])) | {"architecture": platform.architecture, "os": "linux"}
        ).encode()
        layer = gzip.compress(tar, mtime=0)
        for data in (config, layer):
            registry.blobs[digest_of(data)] = data
        described = Descriptor.of(config, media_type.OCI_CONFIG)
        raw = encode_manifest(described, [Descriptor.of(layer, media_type.OCI_LAYER_GZIP)])
        registry.add_manifest(digest_of(raw), raw)
        child = Descriptor.of(raw, media_type.OCI_MANIFEST)
        entries.append(Descriptor(child.media_type, child.digest, child.size, platform))
    return registry.add_manifest(tag, encode_index(entries, annotations={"a": "b"}), media_type.OCI_INDEX)


async def pull(scene: RegistryScene, reference: Reference, *platforms: Platform) -> list[Image]:
    pulled = [
        await scene.puller.pull(reference, platform=one, progress=scene.lines.append) for one in platforms
    ]
    return [one.image for one in pulled]


def test_platforms_of_a_name_are_kept_side_by_side_and_pushed_as_their_index(tmp_path: Path) -> None:
    async def work() -> None:
        async with (
            ScriptedRegistry() as source,
            ScriptedRegistry() as target,
            RegistryScene(tmp_path) as scene,
        ):
            raw = add_index(source, "1", OTHER, HOST)
            name = source.reference()
            other, host = await pull(scene, name, OTHER, HOST)
            store = scene.store
            assert store.resolve(str(name)).id == host.id
            assert store.resolve(str(name), OTHER).id == other.id
            assert store.resolve(str(name), OTHER).variant_of == (str(name),)
            assert [one["Id"] for one in store.summaries()] == [str(host.id)]
            with pytest.raises(NotFound, match=r"does not provide the specified platform \(linux/s390x\)"):
                store.resolve(str(name), THIRD)

            copy = target.reference("copy:2")
            store.tag(host, str(copy), source=str(name))
            pushed = await scene.pusher.push(copy)
            assert target.manifests["2"] == (media_type.OCI_INDEX, raw)
            assert str(pushed.descriptor.digest) == digest_of(raw)
            assert set(target.blobs) == set(source.blobs)
            await scene.pusher.push(target.reference("copy:2"), platform=OTHER)
            kind, one = target.manifests["2"]
            assert (kind, digest_of(one)) == (
                media_type.OCI_MANIFEST,
                str(json.loads(raw)["manifests"][0]["digest"]),
            )

    run(work)


def test_what_is_not_here_is_left_out_of_the_pushed_index(tmp_path: Path) -> None:
    async def work() -> None:
        async with (
            ScriptedRegistry() as source,
            ScriptedRegistry() as target,
            RegistryScene(tmp_path) as scene,
        ):
            raw = add_index(source, "1", THIRD, OTHER, HOST)
            children = json.loads(raw)["manifests"]
            (host,) = await pull(scene, source.reference(), HOST)
            scene.store.tag(host, str(target.reference("one:1")), source=str(source.reference()))
            await scene.pusher.push(target.reference("one:1"))
            assert digest_of(target.manifests["1"][1]) == children[2]["digest"]
            await pull(scene, source.reference(), OTHER)
            scene.store.tag(host, str(target.reference("two:2")), source=str(source.reference()))
            await scene.pusher.push(target.reference("two:2"))
            assert json.loads(target.manifests["2"][1])["manifests"] == children[1:]

    run(work)


def test_a_name_that_moved_on_forgets_the_images_of_its_older_index(tmp_path: Path) -> None:
    async def work() -> None:
        async with ScriptedRegistry() as registry, RegistryScene(tmp_path) as scene:
            raw = add_index(registry, "1", OTHER, HOST)
            name = registry.reference()
            other, old = await pull(scene, name, OTHER, HOST)
            add_index(registry, "1", OTHER, HOST, note="new")
            (new,) = await pull(scene, name, HOST)
            assert scene.store.resolve(str(name)).id == new.id != old.id
            with pytest.raises(NotFound):
                scene.store.resolve(str(name), OTHER)
            assert scene.store.get(other.id).is_dangling
            blobs = {str(digest) for digest, _ in scene.content.walk()}
            assert digest_of(registry.manifests["1"][1]) in blobs
            assert digest_of(raw) not in blobs

    run(work)


def test_the_images_of_a_name_go_with_it(tmp_path: Path) -> None:
    async def work() -> None:
        async with ScriptedRegistry() as registry, RegistryScene(tmp_path) as scene:
            add_index(registry, "1", OTHER, HOST)
            other, host = await pull(scene, registry.reference(), OTHER, HOST)
            assert scene.store.prune(lambda _: True) == ([], 0)
            lines = scene.store.remove(str(registry.reference()))
            deleted = {line["Deleted"] for line in lines if "Deleted" in line}
            assert {str(other.id), str(host.id)} <= deleted
            assert scene.is_empty()

    run(work)


def test_one_platform_is_removed_and_the_name_stands_for_the_rest(tmp_path: Path) -> None:
    async def work() -> None:
        async with ScriptedRegistry() as registry, RegistryScene(tmp_path) as scene:
            add_index(registry, "1", OTHER, HOST)
            name = registry.reference()
            other, host = await pull(scene, name, OTHER, HOST)
            users = {str(host.id): [("c" * 64, False)]}
            with pytest.raises(Conflict, match="is being used by stopped container"):
                scene.store.remove_platform(str(name), HOST, in_use=lambda one: users.get(one, ()))
            lines = scene.store.remove_platform(str(name), HOST)
            assert {"Deleted": str(host.id)} in lines
            left = scene.store.resolve(str(name))
            assert (left.id, left.references, left.variant_of) == (other.id, (str(name),), ())
            assert left.repo_digests == host.repo_digests
            lines = scene.store.remove_platform(str(name), OTHER)
            assert {"Untagged": name.familiar()} in lines
            assert scene.is_empty()

    run(work)


def test_a_container_keeps_the_image_of_its_platform(tmp_path: Path) -> None:
    async def work() -> None:
        async with ScriptedRegistry() as registry, RegistryScene(tmp_path) as scene:
            add_index(registry, "1", OTHER, HOST)
            other, host = await pull(scene, registry.reference(), OTHER, HOST)
            users = {str(other.id): [("c" * 64, True)]}
            scene.store.remove(str(registry.reference()), in_use=lambda one: users.get(one, ()))
            assert [image.id for image in scene.store.list()] == [other.id] != [host.id]

    run(work)


def test_originals_are_loaded_with_their_digests_and_platforms(tmp_path: Path) -> None:
    async def work() -> None:
        async with ScriptedRegistry() as registry, ScriptedRegistry() as target:
            raw = add_index(registry, "1", OTHER, HOST)
            archive, one = io.BytesIO(), io.BytesIO()
            async with RegistryScene(tmp_path / "a") as scene:
                await pull(scene, registry.reference(), OTHER, HOST)
                scene.store.save([str(registry.reference())], archive, originals=True)
                scene.store.save([str(registry.reference())], one, platform=OTHER)
            async with RegistryScene(tmp_path / "b") as scene:
                loaded = scene.store.load(io.BytesIO(archive.getvalue()))
                assert [names for _, names in loaded] == [[registry.reference().familiar()]]
                image = scene.store.resolve(str(registry.reference()))
                scene.store.tag(image, str(target.reference("x:1")), source=str(registry.reference()))
                await scene.pusher.push(target.reference("x:1"))
                assert target.manifests["1"][1] == raw
            async with RegistryScene(tmp_path / "c") as scene:
                ((image, _),) = scene.store.load(io.BytesIO(archive.getvalue()), platform=OTHER)
                assert image.config.platform.architecture == OTHER.architecture
            with tarfile.open(fileobj=io.BytesIO(one.getvalue())) as tar:
                item = json.load(tar.extractfile("manifest.json"))[0]  # type: ignore[arg-type]
                config = json.load(tar.extractfile(item["Config"]))  # type: ignore[arg-type]
            assert config["architecture"] == OTHER.architecture
            async with RegistryScene(tmp_path / "d") as scene:
                with pytest.raises(NotFound, match="no image for the specified platform"):
                    scene.store.load(io.BytesIO(one.getvalue()), platform=HOST)

    run(work)


def test_a_registry_that_refuses_oci_gets_schema_2_with_gzip(tmp_path: Path) -> None:
    async def work() -> None:
        async with ScriptedRegistry() as source, ScriptedRegistry() as old, RegistryScene(tmp_path) as scene:
            tar = make_tar([("a", b"b")])
            packed = zstandard.ZstdCompressor().compress(tar)
            config = make_config([tar])
            source.blobs |= {digest_of(data): data for data in (config, packed)}
            layer = Descriptor.of(packed, media_type.OCI_LAYER_ZSTD)
            source.add_manifest("1", encode_manifest(Descriptor.of(config, media_type.OCI_CONFIG), [layer]))
            pulled = await scene.pull(source.reference())

            async def fault(request: web.Request, _: int) -> web.StreamResponse | None:
                if request.method == "PUT" and request.content_type.startswith("application/vnd.oci.image"):
                    return refusal(400, "MANIFEST_INVALID", "manifest invalid")
                return None

            old.fault = fault
            scene.store.tag(pulled.image, str(old.reference("app:1")))
            await scene.pusher.push(old.reference("app:1"), progress=scene.lines.append)
            kind, raw = old.manifests["1"]
            assert kind == media_type.DOCKER_MANIFEST
            (blob,) = json.loads(raw)["layers"]
            assert blob["mediaType"] == media_type.DOCKER_LAYER_GZIP
            assert gzip.decompress(old.blobs[blob["digest"]]) == tar
            image = scene.store.resolve(str(source.reference()))
            assert f"{old.host}/app@{digest_of(raw)}" in image.repo_digests
            assert len(list(scene.content.walk())) == 3

    run(work)


def test_layers_that_are_loaded_are_pushed_as_gzip(tmp_path: Path) -> None:
    async def work() -> None:
        async with ScriptedRegistry() as registry, RegistryScene(tmp_path) as scene:
            tar = make_tar([("a", b"b" * 100)])
            scene.store.import_tar(io.BytesIO(tar), str(registry.reference()))
            await scene.pusher.push(registry.reference())
            (layer,) = json.loads(registry.manifests["1"][1])["layers"]
            assert layer["mediaType"] == media_type.OCI_LAYER_GZIP
            assert gzip.decompress(registry.blobs[layer["digest"]]) == tar

    run(work)
