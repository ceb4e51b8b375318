# SPDX-License-Identifier: Apache-2.0
"""Archives of ``docker save``: ``docker-archive:FILE[:NAME|:@INDEX]``.

Implements: moby image/tarexport: ``manifest.json``, a config and plain tars of layers.
Holds: such an archive has no manifest of a registry's, so one is made: schema 2, of the layers as they lie there.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from typing import IO, cast

from sampan.archive.compression import detect_compression
from sampan.archive.entry import Entry, Kind
from sampan.archive.reader import CHUNK_BYTES
from sampan.archive.writer import TarWriter
from sampan.errors import Conflict, InvalidArgument, NotFound
from sampan.oci import media_type
from sampan.oci.config import decode_image_config
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest
from sampan.oci.document import InvalidDocument, JSONObject, get_string, get_strings
from sampan.oci.manifest import decode_manifest, encode_manifest
from sampan.oci.reference import Reference, parse_reference
from sampan.registry.settings import Limits
from sampan.transport.checked import bytes_blob, file_blob
from sampan.transport.files import ArchiveFiles, read_file
from sampan.transport.model import Abilities, Blob, Document, Sent
from sampan.transport.partial import receive

_MANIFEST = "manifest.json"
_TYPES = {
    "none": media_type.DOCKER_LAYER,
    "gzip": media_type.DOCKER_LAYER_GZIP,
    "zstd": media_type.OCI_LAYER_ZSTD,
}
_MAGIC_BYTES = 16


class DockerArchiveSource:
    """One image of an archive."""

    keeps_digests = False

    def __init__(self, path: str, name: str, limits: Limits) -> None:
        self._files = ArchiveFiles(path, limits.layer_bytes)
        self._limits = limits
        self._names: dict[Digest, str] = {}
        self._config = b""
        try:
            self._item = _choose(_read_items(self._files, limits), name, path)
        except BaseException:
            self._files.close()
            raise

    async def root(self) -> Document:
        """A manifest of what is there."""
        return Document(await asyncio.to_thread(self._describe), media_type.DOCKER_MANIFEST)

    async def manifest(self, digest: Digest) -> Document:
        """There is one only."""
        document = await self.root()
        if document.digest != digest:
            raise NotFound(f"archive has no manifest {digest}")
        return document

    def blob(self, descriptor: Descriptor) -> Blob:
        """The config, or a member of the archive."""
        if descriptor.digest == Digest.of(self._config):
            return bytes_blob(descriptor, self._config)
        return file_blob(descriptor, lambda: self._files.open(self._names[descriptor.digest]))

    async def referrers(self, digest: Digest) -> Sequence[Descriptor]:
        """None: there is no place for them."""
        del digest
        return ()

    async def tagged(self, tag: str) -> Document | None:
        """Nor for neighbours."""
        del tag
        return None

    async def close(self) -> None:
        """Close the archive."""
        self._files.close()

    def _describe(self) -> bytes:
        name = get_string(self._item, "Config", _MANIFEST)
        self._config = read_file(self._files, name, self._limits.config_bytes)
        diff_ids = decode_image_config(self._config).diff_ids
        layers = get_strings(self._item, "Layers", _MANIFEST)
        if len(layers) != len(diff_ids):
            raise InvalidDocument(f"archive has {len(layers)} layers, its config speaks of {len(diff_ids)}")
        described = [self._layer(*pair) for pair in zip(layers, diff_ids, strict=True)]
        return encode_manifest(Descriptor.of(self._config, media_type.DOCKER_CONFIG), described, docker=True)

    def _layer(self, name: str, diff_id: Digest) -> Descriptor:
        """A plain tar's digest is known; whoever reads it checks that."""
        with self._files.open(name) as file:
            kind = detect_compression(file.read(_MAGIC_BYTES))
            if kind not in _TYPES:
                raise InvalidDocument(f"layer {name} is compressed with {kind}, which no manifest can say")
            digest = diff_id
            if kind != "none":
                state = hashlib.sha256()
                file.seek(0)
                while data := file.read(CHUNK_BYTES):
                    state.update(data)
                digest = Digest.from_hash(state)
        self._names[digest] = name
        return Descriptor(_TYPES[kind], digest, self._files.size(name))


class DockerArchiveSink:
    """Writes a new archive; it takes its name when it is whole."""

    abilities = Abilities(frozenset({media_type.DOCKER_MANIFEST}), indexes=False, plain_layers=True)

    def __init__(self, path: str, names: Sequence[Reference], out: IO[bytes] | None = None) -> None:
        if out is None and os.path.exists(path) and os.path.getsize(path):
            raise Conflict(f"{path} exists: a docker archive cannot be added to", hint="remove it first")
        self._path = path
        self._names = tuple(names)
        self._out = out
        self._folder = tempfile.TemporaryDirectory(
            prefix=".sampan-", dir=os.path.dirname(os.path.abspath(path))
        )
        self._root: Document | None = None
        self._have: set[Digest] = set()

    async def has(self, blob: Descriptor) -> bool:
        """Whether this copy has brought it already."""
        return blob.digest in self._have

    async def put(self, blob: Blob, sent: Sent) -> str:
        """Set it aside: a tar's members need their sizes first."""
        await receive(blob, self._folder.name, self._file(blob.descriptor.digest), sent)
        self._have.add(blob.descriptor.digest)
        return "Copied"

    async def put_manifest(self, document: Document, tag: str | None = None) -> None:
        """No place for children and referrers."""
        del document, tag
        raise InvalidArgument("a docker archive has no place for signatures and other manifests")

    async def put_root(self, document: Document) -> None:
        """The image."""
        self._root = document

    async def finish(self) -> None:
        """Write the archive."""
        await asyncio.to_thread(self._write)

    async def close(self) -> None:
        """Remove what was set aside."""
        await asyncio.to_thread(self._folder.cleanup)

    def _write(self) -> None:
        if self._out is not None:
            return self._write_into(self._out)
        beside = f"{self._folder.name}/archive"
        with open(beside, "wb") as out:
            self._write_into(out)
            out.flush()
            os.fsync(out.fileno())
        os.rename(beside, self._path)
        return None

    def _write_into(self, out: IO[bytes]) -> None:
        assert self._root is not None
        manifest = decode_manifest(self._root.raw)
        tar = TarWriter(out)
        layers = [f"{layer.digest.hex}.tar" for layer in manifest.layers]
        for name, layer in dict(zip(layers, manifest.layers, strict=True)).items():
            self._add(tar, name, layer)
        config = f"{manifest.config.digest.hex}.json"
        self._add(tar, config, manifest.config)
        tags = [name.familiar() for name in self._names]
        item = {"Config": config, "RepoTags": tags or None, "Layers": layers}
        raw = json.dumps([item], separators=(",", ":")).encode()
        tar.add_bytes(Entry(_MANIFEST, Kind.FILE, size=len(raw)), raw)
        tar.close()

    def _add(self, tar: TarWriter, name: str, blob: Descriptor) -> None:
        with open(self._file(blob.digest), "rb", buffering=0) as file:
            tar.add(Entry(name, Kind.FILE, size=blob.size), file.fileno())

    def _file(self, digest: Digest) -> str:
        return f"{self._folder.name}/{digest.hex}"


def _read_items(files: ArchiveFiles, limits: Limits) -> list[JSONObject]:
    try:
        items = json.loads(read_file(files, _MANIFEST, limits.manifest_bytes))
    except (ValueError, RecursionError) as error:
        raise InvalidDocument(f"{_MANIFEST} is not valid JSON: {error}") from error
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise InvalidDocument(f"{_MANIFEST} is not a list of objects")
    return cast("list[JSONObject]", items)


def _choose(items: list[JSONObject], name: str, path: str) -> JSONObject:
    if name.startswith("@"):
        number = int(name[1:]) if name[1:].isdecimal() else -1
        if not 0 <= number < len(items):
            raise NotFound(f"{path} has {len(items)} images, none is number {name[1:]}")
        return items[number]
    if name:
        wanted = parse_reference(name)
        for item in items:
            if any(parse_reference(tag) == wanted for tag in get_strings(item, "RepoTags", _MANIFEST)):
                return item
        raise NotFound(f"{path} has no image {wanted.familiar()}")
    if len(items) != 1:
        raise InvalidArgument(
            f"{path} has {len(items)} images", hint="name one of them: docker-archive:FILE:NAME or FILE:@0"
        )
    return items[0]
