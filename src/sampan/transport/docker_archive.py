# SPDX-License-Identifier: Apache-2.0
"""Archives of ``docker save``: ``docker-archive:FILE[:NAME|:@INDEX]``.

Implements: moby image/tarexport: ``manifest.json``, a config and plain tars of layers.
Holds: such an archive has no manifest of a registry's, so one is made: schema 2, of the layers as they lie there.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from typing import cast

from sampan.archive.compression import detect_compression
from sampan.archive.reader import CHUNK_BYTES
from sampan.errors import InvalidArgument, NotFound
from sampan.oci import media_type
from sampan.oci.config import decode_image_config
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest
from sampan.oci.document import InvalidDocument, JSONObject, get_string, get_strings
from sampan.oci.manifest import encode_manifest
from sampan.oci.raw_manifest import RawManifest
from sampan.oci.reference import parse_reference
from sampan.registry.settings import Limits
from sampan.transport.checked import bytes_blob, file_blob
from sampan.transport.files import ArchiveFiles, read_file
from sampan.transport.model import Blob

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

    async def root(self) -> RawManifest:
        """A manifest of what is there."""
        return RawManifest(await asyncio.to_thread(self._describe), media_type.DOCKER_MANIFEST)

    async def manifest(self, digest: Digest) -> RawManifest:
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

    async def tagged(self, tag: str) -> RawManifest | None:
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
