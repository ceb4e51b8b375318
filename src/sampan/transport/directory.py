# SPDX-License-Identifier: Apache-2.0
"""Plain folders: ``dir:FOLDER``, one image a folder, for looking at and for tools that know nothing else.

Implements: containers-image's directory transport, version 1.1: ``version``, ``manifest.json``, blobs by the hex part
of their digests, the manifests of an index as ``HEX.manifest.json``.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

from sampan.errors import InvalidArgument, NotFound
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest, DigestMismatch
from sampan.oci.raw_manifest import RawManifest
from sampan.registry.settings import Limits
from sampan.transport.checked import file_blob
from sampan.transport.files import FolderFiles, read_file
from sampan.transport.layout import kind_of, write_whole
from sampan.transport.model import Abilities, Blob, Sent
from sampan.transport.partial import receive, remove_partial

_MANIFEST = "manifest.json"
_VERSION = b"Directory Transport Version: 1.1\n"


class DirectorySource:
    """The image of a folder."""

    keeps_digests = True

    def __init__(self, folder: str, limits: Limits) -> None:
        self._files = FolderFiles(folder)
        self._limits = limits

    async def root(self) -> RawManifest:
        """``manifest.json``."""
        return await asyncio.to_thread(self._read, _MANIFEST)

    async def manifest(self, digest: Digest) -> RawManifest:
        """A child, checked."""
        document = await asyncio.to_thread(self._read, _child_name(digest))
        actual = Digest.of(document.raw, digest.algorithm)
        if actual != digest:
            raise DigestMismatch(digest, actual)
        return document

    def blob(self, descriptor: Descriptor) -> Blob:
        """A file."""
        return file_blob(descriptor, lambda: self._files.open(_blob_name(descriptor.digest)))

    async def referrers(self, digest: Digest) -> Sequence[Descriptor]:
        """A folder has one image and nothing beside it."""
        del digest
        return ()

    async def tagged(self, tag: str) -> RawManifest | None:
        """Nor any neighbour."""
        del tag
        return None

    async def close(self) -> None:
        """Nothing is held."""

    def _read(self, name: str) -> RawManifest:
        raw = read_file(self._files, name, self._limits.manifest_bytes)
        return RawManifest(raw, kind_of(raw))


class DirectorySink:
    """Writes a folder; blobs of an image that it had before are used, and stay."""

    abilities = Abilities(wants_compressed=False)

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._root: RawManifest | None = None
        if os.path.isdir(folder) and os.listdir(folder) and not os.path.exists(f"{folder}/version"):
            raise InvalidArgument(f"{folder} is not empty, and not a folder of the dir transport")
        os.makedirs(folder, exist_ok=True)
        write_whole(f"{folder}/version", _VERSION)

    async def has(self, blob: Descriptor) -> bool:
        """Whether a file of that size has that name."""
        try:
            return os.stat(self._path(_blob_name(blob.digest))).st_size == blob.size
        except FileNotFoundError:
            return False

    async def put(self, blob: Blob, sent: Sent) -> str:
        """Write it."""
        await receive(blob, self._folder, self._path(_blob_name(blob.descriptor.digest)), sent)
        return "Copied"

    async def put_manifest(self, document: RawManifest, tag: str | None = None) -> None:
        """A child; what has a tag has no place here."""
        if tag is not None:
            raise NotFound("dir: keeps one image and nothing that refers to it")
        await asyncio.to_thread(write_whole, self._path(_child_name(document.digest)), document.raw)

    async def put_root(self, document: RawManifest) -> None:
        """The folder's image, written when it is finished."""
        self._root = document

    async def finish(self) -> None:
        """The manifest, at last."""
        assert self._root is not None
        await asyncio.to_thread(write_whole, self._path(_MANIFEST), self._root.raw)

    async def close(self) -> None:
        """What is not whole stays for the next attempt."""
        remove_partial(self._folder)

    def _path(self, name: str) -> str:
        return f"{self._folder}/{name}"


def _blob_name(digest: Digest) -> str:
    return digest.hex if digest.algorithm == "sha256" else f"{digest.algorithm}-{digest.hex}"


def _child_name(digest: Digest) -> str:
    return f"{_blob_name(digest)}.manifest.json"
