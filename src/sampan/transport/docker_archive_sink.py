# SPDX-License-Identifier: Apache-2.0
"""Archives of ``docker save``, written: ``docker-archive:FILE[:NAME]``.

Implements: moby image/tarexport: ``manifest.json``, a config and plain tars of layers. Every engine reads such.
Holds: the archive takes its name when it is whole; one that is there is not added to.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from collections.abc import Sequence
from typing import IO

from sampan.archive.entry import Entry, Kind
from sampan.archive.writer import TarWriter
from sampan.errors import Conflict, InvalidArgument
from sampan.oci import media_type
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest
from sampan.oci.manifest import decode_manifest
from sampan.oci.raw_manifest import RawManifest
from sampan.oci.reference import Reference
from sampan.transport.model import Abilities, Blob, Sent
from sampan.transport.partial import receive

_MANIFEST = "manifest.json"


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
        self._root: RawManifest | None = None
        self._have: set[Digest] = set()

    async def has(self, blob: Descriptor) -> bool:
        """Whether this copy has brought it already."""
        return blob.digest in self._have

    async def put(self, blob: Blob, sent: Sent) -> str:
        """Set it aside: a tar's members need their sizes first."""
        await receive(blob, self._folder.name, self._file(blob.descriptor.digest), sent)
        self._have.add(blob.descriptor.digest)
        return "Copied"

    async def put_manifest(self, document: RawManifest, tag: str | None = None) -> None:
        """No place for children and referrers."""
        del document, tag
        raise InvalidArgument("a docker archive has no place for signatures and other manifests")

    async def put_root(self, document: RawManifest) -> None:
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
