# SPDX-License-Identifier: Apache-2.0
"""Hostile content on a pull: refused, with memory that does not grow with what it claims to be."""

from __future__ import annotations

import gzip
import io
import json
import os
import sys
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard
from aiohttp import web

from image_archives import make_config, make_tar
from kernel.registry_scene import RegistryScene, run
from sampan.archive.entry import ArchiveRefused
from sampan.content.writer import SizeMismatch
from sampan.errors import DataCorrupt, InvalidArgument, SampanError, Unavailable
from sampan.oci import media_type
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest
from sampan.oci.manifest import encode_manifest
from sampan.registry.settings import Limits
from scripted_registry import ScriptedRegistry, digest_of

MIB = 1 << 20
LAYER = make_tar([("a", b"1")])
TESTS = str(Path(__file__).resolve().parents[1])

# A pull in a process of its own, so that its memory is its own: the peak before, and what it grew by.
MEASURED = """
import asyncio, resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from kernel.registry_scene import RegistryScene
from sampan.errors import SampanError
from sampan.oci.reference import parse_reference
from sampan.registry.settings import Limits
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
async def main():
    async with RegistryScene(Path(sys.argv[1]), limits=Limits(layer_bytes=int(sys.argv[4]))) as scene:
        before = peak()
        try:
            await scene.pull(parse_reference(sys.argv[2]))
            said = "pulled"
        except SampanError as error:
            said = error.message
        print(peak() - before, scene.is_empty(), said)
asyncio.run(main())
"""


async def pull_measured(root: Path, reference: object, *, limit: int = 1 << 30) -> tuple[int, bool, str]:
    """KiB that the pull took at its peak, whether nothing of it stayed, and what was said."""
    import asyncio

    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", MEASURED, str(root), str(reference), TESTS, str(limit), stdout=-1
    )
    out, _ = await child.communicate()
    assert child.returncode == 0
    grown, empty, said = out.decode().strip().split(" ", 2)
    return int(grown), empty == "True", said


def zeros(packer: object, size: int) -> Iterator[bytes]:
    """A packed stream of a tar's head and then zeros, made without having it in memory."""
    head = tarfile.TarInfo("zeros")
    head.size = size
    piece = bytes(MIB)
    yield packer.compress(head.tobuf())  # type: ignore[attr-defined]
    for _ in range(size // MIB):
        yield packer.compress(piece)  # type: ignore[attr-defined]
    yield packer.flush()  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_a_bomb_takes_no_memory_and_leaves_nothing(tmp_path: Path, kind: str) -> None:
    async def work() -> None:
        packer = (
            zlib.compressobj(9, wbits=31) if kind == "gzip" else zstandard.ZstdCompressor(9).compressobj()
        )
        bomb = b"".join(zeros(packer, 1024 * MIB))
        assert len(bomb) < 2 * MIB
        async with ScriptedRegistry() as registry:
            registry.add_image("1", [LAYER], packed=[bomb])
            grown, is_empty, said = await pull_measured(tmp_path, registry.reference(), limit=128 * MIB)
            assert "archive unpacks to more than 134217728 bytes" in said
            assert is_empty
            assert grown < 40 * 1024

    run(work)


def test_a_small_layer_may_not_unpack_to_hundreds_of_times_its_size(tmp_path: Path) -> None:
    async def work() -> None:
        async with (
            ScriptedRegistry() as registry,
            RegistryScene(tmp_path, limits=Limits(expansion=1)) as scene,
        ):
            packed = b"".join(zeros(zstandard.ZstdCompressor(1).compressobj(), 1100 * MIB))
            registry.add_image("1", [LAYER], packed=[packed])
            with pytest.raises(ArchiveRefused, match="archive unpacks to more than 1073741824 bytes"):
                await scene.pull(registry.reference())
            assert scene.is_empty()

    run(work)


def test_a_manifest_with_a_million_layers_is_refused_by_its_size_and_by_their_number(tmp_path: Path) -> None:
    async def work() -> None:
        layer = b'{"mediaType":"%b","digest":"%b","size":1},' % (
            media_type.OCI_LAYER.encode(),
            digest_of(LAYER).encode(),
        )
        config = json.dumps(
            {"mediaType": media_type.OCI_CONFIG, "digest": digest_of(b"{}"), "size": 2}
        ).encode()
        head = b'{"schemaVersion":2,"config":' + config + b',"layers":['

        async with ScriptedRegistry() as registry:

            async def fault(request: web.Request, _: int) -> web.StreamResponse | None:
                """Without a length: it comes as long as it is taken."""
                if request.method != "GET" or "/manifests/" not in request.path or registry.manifests:
                    return None
                response = web.StreamResponse(headers={"Content-Type": media_type.OCI_MANIFEST})
                await response.prepare(request)
                try:
                    await response.write(head)
                    for _ in range(1000):
                        await response.write(layer * 1000)
                except (ConnectionError, OSError):
                    pass
                return response

            registry.fault = fault
            grown, is_empty, said = await pull_measured(tmp_path, registry.reference())
            assert "manifest 1 is larger than the limit of 4194304 bytes" in said
            assert is_empty
            assert grown < 24 * 1024

            few = json.loads(head + layer[:-1] + b"]}")
            few["layers"] *= 20_000
            registry.add_manifest("1", json.dumps(few, separators=(",", ":")).encode()[: 4 * MIB])
            few["layers"] = few["layers"][:10_000]
            registry.add_manifest("1", json.dumps(few, separators=(",", ":")).encode())
            grown, is_empty, said = await pull_measured(tmp_path, registry.reference())
            assert "10000 layers, more than the limit of 500" in said
            assert grown < 48 * 1024

    run(work)


def test_a_config_that_never_ends_is_cut_off(tmp_path: Path) -> None:
    async def work() -> None:
        async with ScriptedRegistry() as registry, RegistryScene(tmp_path) as scene:
            config = make_config([LAYER])
            layer = gzip.compress(LAYER, mtime=0)
            registry.blobs[digest_of(layer)] = layer
            described = Descriptor.of(config, media_type.OCI_CONFIG)
            registry.add_manifest(
                "1", encode_manifest(described, [Descriptor.of(layer, media_type.OCI_LAYER_GZIP)])
            )

            async def fault(request: web.Request, _: int) -> web.StreamResponse | None:
                if digest_of(config) not in request.path:
                    return None
                response = web.StreamResponse()
                await response.prepare(request)
                for _ in range(64):
                    await response.write(bytes(MIB))
                return response

            registry.fault = fault
            with pytest.raises(DataCorrupt, match="longer than its descriptor says"):
                await scene.pull(registry.reference())
            assert scene.is_empty()

    run(work)


@pytest.mark.parametrize("nesting", ["[" * 200_000, '{"a":' * 200_000])
def test_documents_that_nest_without_end_are_refused(tmp_path: Path, nesting: str) -> None:
    async def work() -> None:
        async with ScriptedRegistry() as registry, RegistryScene(tmp_path) as scene:
            registry.add_manifest("1", nesting.encode())
            with pytest.raises(DataCorrupt, match="not valid JSON"):
                await scene.pull(registry.reference())

    run(work)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("size", -1, "negative size"),
        ("size", "1", "not a number"),
        ("size", 10**30, "more than the limit|bytes"),
        ("digest", "sha256:../../../../etc/passwd", "descriptor"),
        ("digest", "md5:" + "0" * 32, "descriptor"),
        ("digest", "sha256:" + "A" * 64, "descriptor"),
        ("mediaType", "application/octet-stream", "not an image: its config has the media type"),
    ],
)
def test_descriptors_that_lie_are_refused(tmp_path: Path, field: str, value: object, words: str) -> None:
    async def work() -> None:
        async with ScriptedRegistry() as registry, RegistryScene(tmp_path) as scene:
            manifest = json.loads(registry.add_image("1", [LAYER]))
            manifest["config"][field] = value
            registry.add_manifest("1", json.dumps(manifest).encode())
            with pytest.raises(SampanError, match=words):
                await scene.pull(registry.reference())
            assert scene.is_empty()

    run(work)


@pytest.mark.parametrize("size", [1, 10 * MIB])
def test_a_layer_whose_size_is_not_what_was_said_is_refused(tmp_path: Path, size: int) -> None:
    async def work() -> None:
        async with ScriptedRegistry() as registry, RegistryScene(tmp_path) as scene:
            manifest = json.loads(registry.add_image("1", [LAYER]))
            manifest["layers"][0]["size"] = size
            registry.add_manifest("1", json.dumps(manifest).encode())
            with pytest.raises((DataCorrupt, Unavailable), match=r"descriptor says|and no more"):
                await scene.pull(registry.reference())
            assert scene.is_empty()

    run(work)


def trick(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, link
        tar.addfile(member)
        inside = tarfile.TarInfo(f"{name}/pwned" if kind == tarfile.SYMTYPE else "after")
        tar.addfile(inside)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "kind", "link"),
    [
        ("../../escaped", tarfile.REGTYPE, ""),
        ("a/../../../escaped", tarfile.REGTYPE, ""),
        ("out", tarfile.SYMTYPE, "{outside}"),
        ("hard", tarfile.LNKTYPE, "{outside}/target"),
        ("hard", tarfile.LNKTYPE, "../../../../../../etc/passwd"),
        (".wh...", tarfile.REGTYPE, ""),
        (".wh.../x", tarfile.REGTYPE, ""),
    ],
)
def test_no_name_leads_out_of_the_snapshot(tmp_path: Path, name: str, kind: bytes, link: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "target").write_text("mine")
    tar = trick(name, kind, link.format(outside=outside))

    async def work() -> None:
        async with ScriptedRegistry() as registry, RegistryScene(tmp_path / "scene") as scene:
            registry.add_image("1", [tar])
            try:
                await scene.pull(registry.reference())
            except (DataCorrupt, InvalidArgument, SampanError):
                assert scene.is_empty()
            assert sorted(os.listdir(tmp_path)) == ["outside", "scene"]
            assert os.listdir(outside) == ["target"]
            assert os.stat(outside / "target").st_nlink == 1
            assert not any(name == "escaped" for _, _, names in os.walk(tmp_path) for name in names)

    (tmp_path / "scene").mkdir()
    run(work)


def test_the_writer_itself_takes_no_more_than_was_announced(tmp_path: Path) -> None:
    async def work() -> None:
        async with RegistryScene(tmp_path) as scene:
            digest = Digest.of(b"x")
            with scene.content.writer(digest, 1) as writer, pytest.raises(SizeMismatch):
                writer.write(b"xx")
            assert scene.is_empty()

    run(work)
