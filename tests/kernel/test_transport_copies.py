# SPDX-License-Identifier: Apache-2.0
"""Copies between registries, layouts, archives and folders: bytes stay, what breaks off goes on, lies are refused."""

from __future__ import annotations

import gzip
import itertools
import json
import os
import random
from pathlib import Path

import pytest
from aiohttp import web

from image_archives import make_config, make_docker_archive, make_tar
from kernel.registry_scene import QUICK, run
from sampan.errors import InvalidArgument, NotFound, SampanError
from sampan.oci import media_type
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import DigestMismatch
from sampan.oci.index import encode_index
from sampan.oci.manifest import encode_manifest
from sampan.oci.platform import parse_platform
from sampan.oci.raw_manifest import RawManifest
from sampan.registry.credentials import ANONYMOUS
from sampan.registry.repository import Registries
from sampan.registry.settings import Limits, Settings
from sampan.transport.conversion import Wish
from sampan.transport.copying import Options, copy_image
from sampan.transport.location import parse_location
from sampan.transport.opening import Surroundings, open_sink, open_source
from scripted_registry import ScriptedRegistry, digest_of, range_start, refusal

NOISE = random.Random(5).randbytes(3 << 20)
TAR = make_tar([("etc/hostname", b"base\n"), ("data", NOISE)])
SMALL = make_tar([("a", b"1")])


async def copy(
    origin: str, target: str, options: Options | None = None, limits: Limits | None = None
) -> RawManifest:
    registries = Registries(Settings(patience=QUICK, limits=limits or Limits()))

    def connect() -> object:
        raise AssertionError("no engine is needed")

    around = Surroundings(registries, lambda _: ANONYMOUS, connect)  # type: ignore[arg-type]
    try:
        async with (
            open_source(parse_location(origin), around) as source,
            open_sink(parse_location(target), around) as sink,
        ):
            return await copy_image(
                source,
                sink,
                options=options or Options(),
                limits=registries.settings.limits,
                report=lambda _: None,
            )
    finally:
        await registries.close()


def add_index(registry: ScriptedRegistry, tag: str = "multi") -> bytes:
    entries = []
    for number, name in enumerate(("amd64", "arm64", "s390x")):
        config = json.loads(make_config([SMALL])) | {"architecture": name, "number": number}
        raw_config, layer = json.dumps(config).encode(), gzip.compress(SMALL, mtime=number + 1)
        for data in (raw_config, layer):
            registry.blobs[digest_of(data)] = data
        raw = encode_manifest(
            Descriptor.of(raw_config, media_type.OCI_CONFIG),
            [Descriptor.of(layer, media_type.OCI_LAYER_GZIP)],
        )
        registry.add_manifest(digest_of(raw), raw)
        described = Descriptor.of(raw, media_type.OCI_MANIFEST)
        entries.append(
            Descriptor(
                described.media_type, described.digest, described.size, parse_platform(f"linux/{name}")
            )
        )
    return registry.add_manifest(tag, encode_index(entries, annotations={"who": "me"}), media_type.OCI_INDEX)


def test_digests_and_bytes_stay_on_the_way_through_every_place(tmp_path: Path) -> None:
    async def work() -> None:
        async with ScriptedRegistry() as first, ScriptedRegistry() as last:
            raw = add_index(first)
            everything = Options(everything=True, wish=Wish(keeps_digests=True))
            places = [
                f"docker://{first.host}/app:multi",
                f"oci:{tmp_path}/layout:v1",
                f"oci-archive:{tmp_path}/layout.tar:v1",
                f"dir:{tmp_path}/folder",
                f"docker://{last.host}/copy:multi",
            ]
            for origin, target in itertools.pairwise(places):
                assert (await copy(origin, target, everything)).raw == raw
            assert last.manifests["multi"] == (media_type.OCI_INDEX, raw)
            assert last.blobs == first.blobs
            assert set(last.manifests) == set(first.manifests)

    run(work)


def test_one_platform_of_an_index_is_copied_as_it_is_and_several_as_an_index(tmp_path: Path) -> None:
    async def work() -> None:
        async with ScriptedRegistry() as registry:
            raw = add_index(registry)
            listed = json.loads(raw)["manifests"]
            origin = f"docker://{registry.host}/app:multi"
            arm, s390x = parse_platform("linux/arm64"), parse_platform("linux/s390x")
            one = await copy(origin, f"oci:{tmp_path}/one", Options(platforms=(arm,)))
            assert str(one.digest) == listed[1]["digest"]
            two = await copy(origin, f"oci:{tmp_path}/two", Options(platforms=(arm, s390x)))
            assert json.loads(two.raw)["manifests"] == listed[1:]
            strict = Options(platforms=(arm, s390x), wish=Wish(keeps_digests=True))
            with pytest.raises(InvalidArgument, match="digests are to be kept"):
                await copy(origin, f"oci:{tmp_path}/three", strict)
            with pytest.raises(NotFound, match="no matching manifest for linux/386"):
                await copy(origin, f"oci:{tmp_path}/no", Options(platforms=(parse_platform("linux/386"),)))

    run(work)


def test_an_archive_of_docker_becomes_an_image_and_the_other_way_round(tmp_path: Path) -> None:
    async def work() -> None:
        (tmp_path / "in.tar").write_bytes(make_docker_archive([SMALL, TAR, SMALL], "app:1"))
        async with ScriptedRegistry() as registry:
            written = await copy(f"docker-archive:{tmp_path}/in.tar", f"docker://{registry.host}/app:1")
            manifest = json.loads(written.raw)
            assert [layer["mediaType"] for layer in manifest["layers"]] == [media_type.OCI_LAYER_GZIP] * 3
            tars = [gzip.decompress(registry.blobs[layer["digest"]]) for layer in manifest["layers"]]
            assert tars == [SMALL, TAR, SMALL]
            await copy(f"docker://{registry.host}/app:1", f"docker-archive:{tmp_path}/out.tar:app:1")
            again = await copy(
                f"docker-archive:{tmp_path}/out.tar:app:1", f"docker://{registry.host}/again:1"
            )
            assert again.raw == written.raw
            with pytest.raises(NotFound, match="has no image other:1"):
                await copy(f"docker-archive:{tmp_path}/out.tar:other:1", f"dir:{tmp_path}/no")
            with pytest.raises(SampanError, match="cannot be added to"):
                await copy(f"docker://{registry.host}/app:1", f"docker-archive:{tmp_path}/out.tar:app:1")

    run(work)


def test_a_registry_that_refuses_oci_gets_schema_2(tmp_path: Path) -> None:
    async def work() -> None:
        (tmp_path / "in.tar").write_bytes(make_docker_archive([TAR], "app:1"))
        async with ScriptedRegistry() as registry:

            async def fault(request: web.Request, _: int) -> web.StreamResponse | None:
                if request.method == "PUT" and request.content_type == media_type.OCI_MANIFEST:
                    return refusal(400, "MANIFEST_INVALID", "manifest invalid")
                return None

            registry.fault = fault
            await copy(f"docker-archive:{tmp_path}/in.tar", f"docker://{registry.host}/app:1")
            assert registry.manifests["1"][0] == media_type.DOCKER_MANIFEST
            written = json.loads(registry.manifests["1"][1])
            assert written["layers"][0]["mediaType"] == media_type.DOCKER_LAYER_GZIP
            wish = Wish(format=media_type.OCI_MANIFEST)
            with pytest.raises(InvalidArgument, match="manifest invalid"):
                await copy(
                    f"docker-archive:{tmp_path}/in.tar", f"docker://{registry.host}/app:2", Options(wish=wish)
                )

    run(work)


def test_a_copy_that_broke_off_goes_on_where_it_was(tmp_path: Path) -> None:
    async def work() -> None:
        async with ScriptedRegistry() as registry:
            packed = gzip.compress(TAR, 1, mtime=0)
            registry.add_image("1", [TAR], packed=[packed])

            async def fault(request: web.Request, _: int) -> web.StreamResponse | None:
                if digest_of(packed) not in request.path:
                    return None
                if range_start(request):
                    return web.Response(status=404)
                response = web.StreamResponse()
                response.content_length = len(packed)
                await response.prepare(request)
                await response.write(packed[: 2 << 20])
                assert request.transport is not None
                request.transport.abort()
                return response

            registry.fault = fault
            target = f"oci:{tmp_path}/layout:1"
            with pytest.raises(SampanError):
                await copy(f"docker://{registry.host}/app:1", target)
            assert "index.json" not in os.listdir(tmp_path / "layout")
            registry.fault, registry.requests = None, []
            await copy(f"docker://{registry.host}/app:1", target)
            (asked,) = registry.seen("GET", digest_of(packed))
            assert range_start(asked) >= 1 << 20
            assert sorted(os.listdir(tmp_path / "layout")) == ["blobs", "index.json", "oci-layout"]
            registry.requests = []
            await copy(f"docker://{registry.host}/app:1", target)
            assert not registry.seen("GET", "/blobs/")

    run(work)


@pytest.mark.parametrize(
    "target", ["oci:{}/out", "dir:{}/out", "docker-archive:{}/out.tar:a", "docker://{}/b:1"]
)
def test_a_blob_that_is_not_what_it_is_called_goes_nowhere(tmp_path: Path, target: str) -> None:
    async def work() -> None:
        async with ScriptedRegistry() as registry, ScriptedRegistry() as other:
            packed = gzip.compress(TAR, 1, mtime=0)
            registry.add_image("1", [TAR], packed=[packed])
            registry.blobs[digest_of(packed)] = packed[:-9] + b"x" + packed[-8:]
            place = target.format(other.host if target.startswith("docker:") else tmp_path)
            with pytest.raises(DigestMismatch):
                await copy(f"docker://{registry.host}/app:1", place)
            assert not other.manifests
            left = [name for _, _, names in os.walk(tmp_path) for name in names]
            assert digest_of(packed)[7:] not in left
            assert not {"index.json", "manifest.json", "out.tar"} & set(left)

    run(work)


def test_blobs_of_the_same_registry_are_mounted(tmp_path: Path) -> None:
    async def work() -> None:
        async with ScriptedRegistry() as registry:
            registry.add_image("1", [TAR])

            async def fault(request: web.Request, _: int) -> web.StreamResponse | None:
                if request.method == "HEAD" and "/blobs/" in request.path:
                    return web.Response(status=404)
                return web.Response(status=201) if "mount" in request.query else None

            registry.fault = fault
            await copy(f"docker://{registry.host}/app:1", f"docker://{registry.host}/new:2")
            assert not registry.seen("GET", "/blobs/")
            assert {one.query["from"] for one in registry.seen("POST", "mount=")} == {"app"}

    run(work)


def test_what_refers_to_an_image_comes_along_if_asked(tmp_path: Path) -> None:
    async def work() -> None:
        async with ScriptedRegistry() as registry, ScriptedRegistry() as last:
            raw = registry.add_image("1", [SMALL])
            subject = Descriptor.of(raw, media_type.OCI_MANIFEST)
            note = b"a note"
            registry.blobs[digest_of(note)] = note
            registry.blobs[digest_of(b"{}")] = b"{}"
            referrer = json.loads(
                encode_manifest(
                    Descriptor.of(b"{}", media_type.OCI_EMPTY), [Descriptor.of(note, "text/plain")]
                )
            ) | {
                "artifactType": "text/note",
                "subject": {"mediaType": "m", "digest": digest_of(raw), "size": 1},
            }
            raw_referrer = json.dumps(referrer).encode()
            registry.add_manifest(digest_of(raw_referrer), raw_referrer)
            listed = Descriptor.of(raw_referrer, media_type.OCI_MANIFEST)
            hexadecimal = subject.digest.hex
            registry.add_manifest(f"sha256-{hexadecimal}", encode_index([listed]), media_type.OCI_INDEX)
            signature = registry.add_image(f"sha256-{hexadecimal}.sig", [SMALL])
            options = Options(referrers=True)
            await copy(f"docker://{registry.host}/app:1", f"oci:{tmp_path}/layout:1", options)
            await copy(f"oci:{tmp_path}/layout:1", f"docker://{last.host}/app:1", options)
            assert last.manifests[f"sha256-{hexadecimal}.sig"][1] == signature
            assert digest_of(raw_referrer) in last.manifests
            assert last.blobs[digest_of(note)] == note
            found = json.loads(last.manifests[f"sha256-{hexadecimal}"][1])["manifests"]
            assert [(one["digest"], one["artifactType"]) for one in found] == [
                (digest_of(raw_referrer), "text/note")
            ]

    run(work)


def test_a_bomb_is_refused_where_a_layer_is_unpacked(tmp_path: Path) -> None:
    async def work() -> None:
        async with ScriptedRegistry() as registry:
            bomb = make_tar([("zero", bytes(64 << 20))])
            registry.add_image("1", [bomb])
            with pytest.raises(SampanError, match="archive unpacks to more than"):
                await copy(
                    f"docker://{registry.host}/app:1",
                    f"docker-archive:{tmp_path}/out.tar:a",
                    limits=Limits(layer_bytes=16 << 20),
                )
            assert os.listdir(tmp_path) == []

    run(work)


def test_an_archive_that_names_files_outside_reads_none(tmp_path: Path) -> None:
    async def work() -> None:
        (tmp_path / "secret").write_bytes(SMALL)
        config = make_config([SMALL])
        item = [{"Config": "c.json", "RepoTags": None, "Layers": ["../secret"]}]
        archive = make_tar(
            [("c.json", config), ("manifest.json", json.dumps(item).encode()), ("link", "/secret")]
        )
        (tmp_path / "in.tar").write_bytes(archive)
        with pytest.raises(SampanError):
            await copy(f"docker-archive:{tmp_path}/in.tar", f"dir:{tmp_path}/out")

    run(work)
