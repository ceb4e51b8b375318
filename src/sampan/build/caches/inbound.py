# SPDX-License-Identifier: Apache-2.0
"""Results that were made elsewhere: found by their keys when a build asks for them, and fetched only then.

A key tells what a step does and the identity of the tree that it stands on. On a machine that has nothing yet, the
identities are those of the records, so that one key after the other is found. Where a step was done here, too, its
result has an identity of its own; it counts as *equal* to the record's, and what the record's children are is looked
up by both. A child that comes from elsewhere brings the trees it was made on: `lineage` puts them in place of ours.

Holds: a blob is what its digest says, and its tar what its diff ID says, or the record is none.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import cast

from sampan.archive.apply import apply_layer, extract_archive
from sampan.build.cache import Result
from sampan.build.caches.document import (
    CONFIG_TYPE,
    CacheDocument,
    MountRecord,
    Record,
    decode_cache,
    decode_inline,
)
from sampan.build.services import StepServices
from sampan.errors import DataCorrupt
from sampan.linux.tree import remove_tree
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import DigestMismatch, parse_digest
from sampan.oci.index import decode_index
from sampan.oci.manifest import decode_manifest
from sampan.oci.platform import host_platform
from sampan.oci.raw_manifest import RawManifest
from sampan.transport.checked import iter_checked, read_blob
from sampan.transport.model import Source

_MAX_CONFIG_BYTES = 64 << 20
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
KeyOf = Callable[[str], str]


@dataclass(slots=True)
class ImportedCache:
    """One cache that was given, with the place that its layers come from."""

    source: Source
    document: CacheDocument
    by_key: dict[str, Record] = field(init=False)
    by_identity: dict[str, Record] = field(init=False)

    def __post_init__(self) -> None:
        self.by_key = {record.key: record for record in self.document.records}
        self.by_identity = {record.identity: record for record in self.document.records}


async def open_cache(source: Source) -> ImportedCache:
    """Read what a place has: a cache of ours, or an image with one in its config."""
    root = await source.root()
    if root.is_index:
        root = await _for_this_machine(source, root)
    manifest = decode_manifest(root.raw, root.media_type)
    config = await _read(source, manifest.config)
    if manifest.config.media_type == CONFIG_TYPE:
        return ImportedCache(source, decode_cache(config, manifest))
    return ImportedCache(source, decode_inline(config, manifest))


async def _for_this_machine(source: Source, root: RawManifest) -> RawManifest:
    host = host_platform()
    for child in decode_index(root.raw, root.media_type).manifests:
        if child.platform is None or (child.platform.os, child.platform.architecture) == (
            host.os,
            host.architecture,
        ):
            return await source.manifest(child.digest)
    raise DataCorrupt(f"build cache: the index has nothing for {host}")


async def _read(source: Source, blob: Descriptor) -> bytes:
    return await read_blob(source.blob(blob), _MAX_CONFIG_BYTES)


class Imports:
    """The caches that one build was given."""

    def __init__(self, caches: Sequence[ImportedCache], base_of: Callable[[str], Result | None]) -> None:
        self._caches = caches
        self._base_of = base_of
        self._equal: dict[str, set[str]] = {}
        self._brought: dict[str, Result] = {}
        self._lock = asyncio.Lock()

    def note(self, key_of: KeyOf, parent: Result, known: Result) -> None:
        """A result that is here: the records of the same step are its equals."""
        for _, record in self._records(key_of, parent):
            if record.identity != known.identity:
                self._equal.setdefault(known.identity, set()).add(record.identity)

    async def find(self, services: StepServices, key_of: KeyOf, parent: Result) -> Result | None:
        """The result of a step that a cache has, brought here."""
        for cache, record in self._records(key_of, parent):
            async with self._lock:
                found = await self.bring(services, cache, record, parent)
            if found is not None:
                return found
        return None

    def lineage(self, layers: Sequence[Result]) -> tuple[Result, ...]:
        """The layers of an image, each standing on the one that it was made on."""
        made = list(layers)
        for place in range(len(made) - 1, 0, -1):
            wanted = made[place].parent
            if wanted != made[place - 1].identity and wanted in self._brought:
                made[place - 1] = self._brought[wanted]
        return tuple(made)

    def _records(self, key_of: KeyOf, parent: Result) -> list[tuple[ImportedCache, Record]]:
        keys = [key_of(identity) for identity in (parent.identity, *self._equal.get(parent.identity, ()))]
        return [(cache, cache.by_key[key]) for cache in self._caches for key in keys if key in cache.by_key]

    async def bring(
        self, services: StepServices, cache: ImportedCache, record: Record, parent: Result | None = None
    ) -> Result | None:
        """Fetch a record's layer onto its parent's tree, which is brought first if need be."""
        if (known := self._brought.get(record.identity)) is not None:
            return known
        known = services.cache.find(record.key)
        if known is None or known.identity != record.identity:
            below = await self._below(services, cache, record, parent)
            if below is None:
                return None
            known = await _fetch(services, cache, record, below)
        self._brought[record.identity] = known
        return known

    async def _below(
        self, services: StepServices, cache: ImportedCache, record: Record, parent: Result | None
    ) -> Result | None:
        if parent is not None and parent.identity == record.parent:
            return parent
        above = cache.by_identity.get(record.parent)
        if above is None:
            return self._base_of(record.parent)
        return await self.bring(services, cache, above)


async def _fetch(services: StepServices, cache: ImportedCache, record: Record, parent: Result) -> Result:
    with services.workplace.temporary_folder() as folder:
        path = f"{folder}/layer"
        await _download(services, cache, cache.document.layers[record.diff_id], path)
        with services.active(parent) as active:
            await services.blocking.run(_unpack_layer, services, path, active, parent, record)
            # A result of the same step that was made here keeps the key; this one is found by what stands on it.
            taken = services.cache.find(record.key) is not None
            key = f"{record.key}+{record.identity}" if taken else record.key
            return services.cache.put_imported(
                key,
                active,
                identity=record.identity,
                parent=record.parent,
                description=record.description,
                created_ns=record.created_ns,
                diff_id=record.diff_id,
            )


async def _download(services: StepServices, cache: ImportedCache, blob: Descriptor, path: str) -> None:
    """A blob into a file, checked."""
    # A file opened in a thread would stay open if the build were cancelled meanwhile.
    with open(path, "wb") as file:  # noqa: ASYNC230
        async with aclosing(
            cast("AsyncGenerator[bytes, None]", iter_checked(cache.source.blob(blob)))
        ) as parts:
            async for part in parts:
                await services.blocking.run(file.write, part)


def _unpack_layer(services: StepServices, path: str, active: str, parent: Result, record: Record) -> None:
    lowers = services.lowers(parent)
    target = os.open(services.snapshots.upper_path(active), _DIRECTORY)
    try:
        with open(path, "rb") as file:
            is_layered = services.snapshots.driver.is_layered
            applied = apply_layer(file, target, lowers=lowers, is_layered=is_layered)
    finally:
        os.close(target)
    expected = parse_digest(record.diff_id)
    if applied.diff_id != expected:
        raise DigestMismatch(expected, applied.diff_id)


async def bring_mount(services: StepServices, cache: ImportedCache, mount: MountRecord) -> bool:
    """Unpack a cache mount that is not here; whether it was missing."""
    path = f"{services.workplace.mounts}/{mount.name}"
    if await services.blocking.run(_has_files, path):
        return False
    with services.workplace.temporary_folder() as folder:
        await _download(services, cache, cache.document.layers[mount.diff_id], f"{folder}/layer")
        await services.blocking.run(_unpack_mount, f"{folder}/layer", f"{folder}/files", path, mount)
    return True


def _has_files(path: str) -> bool:
    try:
        return bool(os.listdir(path))
    except FileNotFoundError:
        return False


def _unpack_mount(archive: str, building: str, path: str, mount: MountRecord) -> None:
    os.mkdir(building, 0o755)
    fd = os.open(building, _DIRECTORY)
    try:
        with open(archive, "rb") as file:
            applied = extract_archive(file, fd)
    finally:
        os.close(fd)
    expected = parse_digest(mount.diff_id)
    if applied.diff_id != expected:
        raise DigestMismatch(expected, applied.diff_id)
    os.chown(building, mount.uid, mount.gid)
    os.chmod(building, mount.mode & 0o7777)
    remove_tree(path)
    os.rename(building, path)
