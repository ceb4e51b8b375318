# SPDX-License-Identifier: Apache-2.0
"""Send results of the build cache, and cache mounts, to a place.

A layer is compressed into a temporary file once; its digest is then kept with the result, so that a place which has
it already is sent nothing. Results that were made before their parents were recorded stay at home.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import BinaryIO

from sampan.archive.diff import write_layer, write_tree_diff
from sampan.archive.pack import pack_tree
from sampan.archive.packing import GzipWriter
from sampan.archive.writer import Writable
from sampan.build.cache import BuildCache, Result
from sampan.build.caches.document import (
    CONFIG_TYPE,
    MountRecord,
    Record,
    encode_cache_manifest,
    encode_records,
)
from sampan.build.services import StepServices
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest, parse_digest
from sampan.oci.media_type import OCI_LAYER_GZIP, OCI_MANIFEST
from sampan.oci.raw_manifest import RawManifest
from sampan.transport.checked import bytes_blob, file_blob
from sampan.transport.model import Sink


def make_record(cache: BuildCache, result: Result, diff_id: str) -> Record:
    """A result as others are told of it."""
    return Record(
        result.key.partition("+")[0],
        result.identity,
        result.parent,
        result.created_ns,
        cache.description(result),
        diff_id,
    )


@dataclass(slots=True)
class _Packed:
    """The compressed tar of one tree, in a file that goes with the export."""

    diff_id: str
    blob: Descriptor
    path: str


@dataclass(slots=True)
class Sent:
    """What an export came to."""

    records: int = 0
    mounts: int = 0
    layers: int = 0
    size_bytes: int = 0


@dataclass(slots=True)
class CacheSender:
    """One export under way."""

    services: StepServices
    sink: Sink
    folder: str
    told: Callable[[str, int], None] = lambda _name, _size: None
    sent: Sent = field(default_factory=Sent)
    _layers: dict[str, Descriptor] = field(default_factory=dict)

    async def send(self, results: Sequence[Result], mounts: Iterable[str] = ()) -> Sent:
        """Write these results and the folders of these cache mounts; the place names them at the end."""
        # In an order of their own, so that the same results are the same manifest.
        ordered = sorted(results, key=lambda result: (result.created_ns, result.key))
        records = [await self._send_result(result) for result in ordered if result.parent]
        carried = [await self._send_mount(name) for name in mounts]
        config = encode_records(records, carried)
        described = Descriptor.of(config, CONFIG_TYPE)
        await self.sink.put(bytes_blob(described, config), lambda _: None)
        await self.sink.put_root(RawManifest(encode_cache_manifest(described, self._layers), OCI_MANIFEST))
        await self.sink.finish()
        self.sent.records, self.sent.mounts = len(records), len(carried)
        self.sent.layers = len(self._layers)
        return self.sent

    async def _send_result(self, result: Result) -> Record:
        diff_id, blob = self.services.cache.packed(result)
        if blob is None or not await self.sink.has(blob):
            packed = await self.services.blocking.run(self._pack_result, result)
            diff_id, blob = packed.diff_id, packed.blob
            self.services.cache.describe_blob(result, diff_id, blob)
            await self._put(packed)
        self._layers[diff_id] = blob
        return make_record(self.services.cache, result, diff_id)

    async def _send_mount(self, name: str) -> MountRecord:
        path = f"{self.services.workplace.mounts}/{name}"
        packed = await self.services.blocking.run(self._pack, name, lambda out: pack_tree([path], "/", out))
        await self._put(packed)
        self._layers[packed.diff_id] = packed.blob
        status = os.stat(path)
        return MountRecord(name, packed.diff_id, stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)

    async def _put(self, packed: _Packed) -> None:
        if not await self.sink.has(packed.blob):
            self.told(packed.diff_id, packed.blob.size)
            blob = file_blob(packed.blob, partial(_open, packed.path))
            await self.sink.put(blob, lambda _: None)
            self.sent.size_bytes += packed.blob.size
        os.unlink(packed.path)

    def _pack_result(self, result: Result) -> _Packed:
        services = self.services
        tree = services.folder(result)
        if services.snapshots.driver.is_layered:
            return self._pack(result.identity, lambda out: write_layer(tree, out))
        return self._pack(
            result.identity, lambda out: write_tree_diff(services.parent_folder(result), tree, out)
        )

    def _pack(self, name: str, produce: Callable[[_DigestingWriter], object]) -> _Packed:
        path = f"{self.folder}/{name}"
        with open(path, "wb") as file:
            compressed = _DigestingWriter(file)
            packer = GzipWriter(compressed)
            plain = _DigestingWriter(packer)
            produce(plain)
            packer.close()
        blob = Descriptor(OCI_LAYER_GZIP, compressed.digest, compressed.size_bytes)
        return _Packed(str(plain.digest), blob, path)


def _open(path: str) -> BinaryIO:
    return open(path, "rb")


class _DigestingWriter:
    """Passes bytes on, and knows their digest."""

    def __init__(self, out: Writable) -> None:
        self._out = out
        self._hash = hashlib.sha256()
        self.size_bytes = 0

    def write(self, data: bytes | bytearray | memoryview, /) -> int:
        """All of them."""
        self._hash.update(data)
        self.size_bytes += len(data)
        self._out.write(data)
        return len(data)

    @property
    def digest(self) -> Digest:
        """Of what was written."""
        return parse_digest(f"sha256:{self._hash.hexdigest()}")
