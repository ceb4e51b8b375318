# SPDX-License-Identifier: Apache-2.0
"""OCI image layouts, written: ``oci:FOLDER[:NAME]``.

Implements: OCI image-spec 1.1, image-layout.md; names are the annotation ``org.opencontainers.image.ref.name``.
Holds: index.json is replaced as a whole, under a lock, when everything that it names is there.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from sampan.errors import InvalidArgument
from sampan.oci.descriptor import IMAGE_NAME, REFERENCE_NAME, Descriptor
from sampan.oci.digest import Digest
from sampan.oci.document import encode_object
from sampan.oci.index import encode_index
from sampan.oci.raw_manifest import RawManifest
from sampan.registry.settings import Limits
from sampan.transport.files import FolderFiles
from sampan.transport.layout import INDEX, read_index, write_whole
from sampan.transport.model import Abilities, Blob, Sent
from sampan.transport.partial import receive, remove_partial

_MARK = "oci-layout"
_LAYOUT = {"imageLayoutVersion": "1.0.0"}


class LayoutSink:
    """Writes one image into a layout, which is made if there is none; the rest of it stays as it is."""

    abilities = Abilities()

    def __init__(self, folder: str, name: str, *, full_name: str = "") -> None:
        self.folder = folder
        self._name = name
        self._full_name = full_name
        self._entries: list[Descriptor] = []
        if os.path.isdir(folder) and os.listdir(folder) and not os.path.exists(f"{folder}/{_MARK}"):
            raise InvalidArgument(f"{folder} is not empty, and not an OCI image layout")
        os.makedirs(f"{folder}/blobs/sha256", exist_ok=True)
        if not os.path.exists(f"{folder}/{_MARK}"):
            write_whole(f"{folder}/{_MARK}", encode_object(_LAYOUT))

    async def has(self, blob: Descriptor) -> bool:
        """Whether a file of that size has that name."""
        try:
            return os.stat(self._path(blob.digest)).st_size == blob.size
        except FileNotFoundError:
            return False

    async def put(self, blob: Blob, sent: Sent) -> str:
        """Write it, or go on with what an earlier attempt has written."""
        await receive(blob, self.folder, self._path(blob.descriptor.digest), sent)
        return "Copied"

    async def put_manifest(self, document: RawManifest, tag: str | None = None) -> None:
        """Of a child the blob alone; of a referrer also its line in index.json, by which it is found again."""
        await asyncio.to_thread(self._write_blob, document)
        if tag is not None or document.subject is not None:
            self._entries.append(self._described(document, tag or "", ""))

    async def put_root(self, document: RawManifest) -> None:
        """The image of this sink's name."""
        await asyncio.to_thread(self._write_blob, document)
        self._entries.append(self._described(document, self._name, self._full_name))

    async def finish(self) -> None:
        """Write index.json anew."""
        await asyncio.to_thread(self.write_index)

    async def close(self) -> None:
        """What is not finished stays for the next attempt."""
        remove_partial(self.folder)

    def _described(self, document: RawManifest, name: str, full_name: str) -> Descriptor:
        names = {IMAGE_NAME: full_name} if full_name else {}
        if name:
            names[REFERENCE_NAME] = name
        kind = document.listed.artifact_type if document.subject is not None else ""
        return replace(document.descriptor, annotations=names, artifact_type=kind)

    def _write_blob(self, document: RawManifest) -> None:
        path = self._path(document.digest)
        if not os.path.exists(path):
            write_whole(path, document.raw)

    def write_index(self) -> None:
        """With the lines that this sink adds; of an empty layout that is none."""
        with _locked(self.folder):
            known = read_index(FolderFiles(self.folder), Limits()) if self._has_index() else []
            for entry in self._entries:
                known = [one for one in known if not _is_replaced(one, entry)]
                known.append(entry)
            write_whole(f"{self.folder}/{INDEX}", encode_index(known))

    def _has_index(self) -> bool:
        return os.path.exists(f"{self.folder}/{INDEX}")

    def _path(self, digest: Digest) -> str:
        folder = f"{self.folder}/blobs/{digest.algorithm}"
        if digest.algorithm != "sha256":
            os.makedirs(folder, exist_ok=True)
        return f"{folder}/{digest.hex}"


@contextmanager
def _locked(folder: str) -> Iterator[None]:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _is_replaced(old: Descriptor, new: Descriptor) -> bool:
    """A name belongs to one image; the same image is listed once a name."""
    name = new.annotations.get(REFERENCE_NAME, "")
    if name:
        return old.annotations.get(REFERENCE_NAME) == name
    return old.digest == new.digest and REFERENCE_NAME not in old.annotations
