# SPDX-License-Identifier: Apache-2.0
"""OCI image layouts: ``oci:FOLDER[:NAME]``.

Implements: OCI image-spec 1.1, image-layout.md; names are the annotation ``org.opencontainers.image.ref.name``, as
containers-image reads and writes it.
Holds: index.json is replaced as a whole, under a lock, when everything that it names is there.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from secrets import token_hex

from sampan.errors import InvalidArgument, NotFound
from sampan.oci import media_type
from sampan.oci.descriptor import IMAGE_NAME, REFERENCE_NAME, Descriptor
from sampan.oci.digest import Digest, DigestMismatch
from sampan.oci.document import decode_object
from sampan.oci.index import decode_index
from sampan.oci.raw_manifest import RawManifest
from sampan.oci.reference import InvalidReference, parse_reference
from sampan.registry.settings import Limits
from sampan.transport.checked import file_blob
from sampan.transport.files import Files, read_file
from sampan.transport.model import Blob

INDEX = "index.json"


class LayoutSource:
    """One image of a layout; without a name the only one."""

    keeps_digests = True

    def __init__(self, files: Files, name: str, limits: Limits, *, place: str) -> None:
        self._files = files
        self._limits = limits
        self._place = place
        self._entries = read_index(files, limits)
        self._root = choose(self._entries, name, place)

    async def root(self) -> RawManifest:
        """What the name stands for."""
        return await asyncio.to_thread(self._document, self._root)

    async def manifest(self, digest: Digest) -> RawManifest:
        """By digest, whatever index.json says."""
        return await asyncio.to_thread(self._document, Descriptor("", digest, 0))

    def blob(self, descriptor: Descriptor) -> Blob:
        """A file of the layout."""
        name = blob_name(descriptor.digest)
        return file_blob(descriptor, lambda: self._files.open(name))

    async def referrers(self, digest: Digest) -> Sequence[Descriptor]:
        """Those that index.json lists; a layout has no other list of them."""
        return [one for one in self._entries if _is_about(await self.manifest(one.digest), digest)]

    async def tagged(self, tag: str) -> RawManifest | None:
        """A neighbour that index.json names so."""
        entry = next((one for one in self._entries if one.annotations.get(REFERENCE_NAME) == tag), None)
        return await self.manifest(entry.digest) if entry else None

    async def close(self) -> None:
        """Let the archive go, if it is one."""
        self._files.close()

    def _document(self, descriptor: Descriptor) -> RawManifest:
        raw = read_file(self._files, blob_name(descriptor.digest), self._limits.manifest_bytes)
        actual = Digest.of(raw, descriptor.digest.algorithm)
        if actual != descriptor.digest:
            raise DigestMismatch(descriptor.digest, actual)
        return RawManifest(raw, descriptor.media_type or kind_of(raw))


def read_index(files: Files, limits: Limits) -> list[Descriptor]:
    """The images that a layout lists."""
    raw = read_file(files, INDEX, limits.manifest_bytes)
    return list(decode_index(raw, media_type.OCI_INDEX).manifests)


def choose(entries: Sequence[Descriptor], name: str, place: str) -> Descriptor:
    """The image of this name; also of a full name where index.json has only the tag, and the other way round."""
    if not name:
        images = [one for one in entries if not one.artifact_type] or list(entries)
        if len(images) == 1:
            return images[0]
        names = ", ".join(sorted(names_of(images))) or "without names"
        raise InvalidArgument(
            f"{place} has {len(images)} images: {names}", hint="name one of them: oci:FOLDER:NAME"
        )
    wanted = {name, _normal(name)}
    for entry in entries:
        found = {entry.annotations.get(REFERENCE_NAME, ""), entry.annotations.get(IMAGE_NAME, "")}
        if wanted & {*found, *map(_normal, found)} - {""}:
            return entry
    for entry in entries:
        if name.removeprefix("@") == str(entry.digest):
            return entry
    raise NotFound(
        f"{place} has no image {name}", hint=f"it has {', '.join(sorted(names_of(entries))) or 'none'}"
    )


def names_of(entries: Sequence[Descriptor]) -> set[str]:
    """What index.json calls its images."""
    return {one.annotations[REFERENCE_NAME] for one in entries if REFERENCE_NAME in one.annotations}


def blob_name(digest: Digest) -> str:
    """Where a layout has a blob."""
    return f"blobs/{digest.algorithm}/{digest.hex}"


def kind_of(raw: bytes) -> str:
    """The media type that a manifest says of itself, or looks like."""
    source = decode_object(raw, "manifest")
    said = source.get("mediaType")
    if isinstance(said, str) and said:
        return said
    return media_type.OCI_INDEX if "manifests" in source else media_type.OCI_MANIFEST


def write_whole(path: str, data: bytes) -> None:
    """A small file, whole or not at all."""
    beside = f"{path}.{token_hex(4)}.new"
    try:
        with open(beside, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.rename(beside, path)
    except BaseException:
        if os.path.exists(beside):
            os.unlink(beside)
        raise


def _normal(name: str) -> str:
    try:
        return str(parse_reference(name)) if "/" in name or ":" in name else ""
    except InvalidReference:
        return ""


def _is_about(document: RawManifest, digest: Digest) -> bool:
    subject = document.subject
    return subject is not None and subject.digest == digest
