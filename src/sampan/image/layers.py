# SPDX-License-Identifier: Apache-2.0
"""Layers: unpacked in snapshots that are named by chain ID, and kept as blobs where they came from elsewhere.

Holds: a chain ID names a snapshot only when everything below it is whole and on disk. A layer is unpacked under
a passing name; after one sync for all of an image's layers, one transaction renames the snapshots and writes the
rows. What a kill -9 leaves has a passing name or none, and `sweep` removes it.
A layer that was made here has no blob: its tar is made again from the snapshot, and checked against the diff ID.
A foreign layer's tar cannot be made again byte for byte, so it is kept, compressed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from secrets import token_hex
from typing import BinaryIO

from sampan.archive.apply import Applied, apply_layer
from sampan.archive.compression import open_decompressed
from sampan.archive.diff import WrittenLayer, write_layer, write_tree_diff
from sampan.archive.digesting import DigestReader
from sampan.archive.extract import Limits
from sampan.archive.packing import Packing, open_packer
from sampan.archive.reader import CHUNK_BYTES
from sampan.archive.writer import Writable
from sampan.content.store import ContentStore
from sampan.errors import DataCorrupt
from sampan.image.claims import Claims
from sampan.image.model import LayerInfo
from sampan.metadata.database import Database
from sampan.metadata.images import LayerRecord, LayerTable
from sampan.oci.chain import chain_ids
from sampan.oci.descriptor import Descriptor, decode_descriptor, encode_descriptor
from sampan.oci.digest import Digest, DigestMismatch
from sampan.oci.media_type import layer_compression, layer_type
from sampan.snapshot.model import SnapshotInUse, SnapshotNotFound
from sampan.snapshot.store import SnapshotStore

_PASSING = "unpack-"
_PACKING = Packing()
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class LayerSource:
    """Where a layer's tar can be read, compressed or not, and the blob that is to be kept of it."""

    open: Callable[[], BinaryIO]
    blob: Descriptor | None = None
    limits: Limits | None = None
    finished: Callable[[], None] = lambda: None
    """Called when the layer is unpacked, or turns out to be here already."""


@dataclass(slots=True)
class Unpacked:
    """The layers of one image that were not here before, under passing names, lowest first."""

    records: list[LayerRecord] = field(default_factory=list)


class LayerStore:
    """The layers of one engine."""

    def __init__(self, database: Database, content: ContentStore, snapshots: SnapshotStore) -> None:
        self.table = LayerTable(database)
        self.claims = Claims()
        self._database = database
        self._content = content
        self._snapshots = snapshots
        self.is_pinned: Callable[[str], bool] = lambda _chain_id: False
        """Whether somebody else (the build cache) needs the snapshot of an otherwise unused layer."""

    @contextmanager
    def unpacking(
        self,
        diff_ids: Sequence[Digest],
        sources: Sequence[LayerSource],
        *,
        check: Callable[[], None] = lambda: None,
    ) -> Iterator[Unpacked]:
        """Unpack what is missing of a stack; inside the block, in a transaction, `name` makes it real.

        `check` is asked now and then, and may raise to end it.
        """
        unpacked = Unpacked()
        claimed: list[str] = []
        chains = [str(chain) for chain in chain_ids(diff_ids)]
        try:
            with self.claims.pinned(chains):
                parent: LayerRecord | None = None
                for chain, diff_id, source in zip(chains, diff_ids, sources, strict=True):
                    known = self._claim(chain, claimed, check)
                    if known is None:
                        known = self._unpack(chain, diff_id, source, parent)
                        unpacked.records.append(known)
                    source.finished()
                    parent = known
                if unpacked.records:
                    self._snapshots.sync()
                yield unpacked
        finally:
            for record in reversed(unpacked.records):
                self._discard(record.snapshot)
            self.claims.release(claimed)

    def _claim(self, chain: str, claimed: list[str], check: Callable[[], None]) -> LayerRecord | None:
        """The layer, if it is here or somebody who is unpacking it succeeds; else it is ours to unpack."""
        check()
        if known := self.table.get(chain):
            return known
        self.claims.claim(chain, check)
        claimed.append(chain)
        return self.table.get(chain)

    def name(self, unpacked: Unpacked) -> None:
        """Give unpacked layers their chain IDs; for use in the transaction that records the image."""
        with self._database.transaction():
            for record in unpacked.records:
                self._snapshots.rename(record.snapshot, record.chain_id)
                self.table.put(_named(record))

    def record(self, layers: Sequence[LayerInfo]) -> None:
        """Write the rows of layers whose snapshots exist by their chain IDs; known rows stay."""
        with self._database.transaction():
            parent: str | None = None
            for chain, layer in zip(chain_ids([layer.diff_id for layer in layers]), layers, strict=True):
                chain_id = str(chain)
                if self.table.get(chain_id) is None:
                    self.table.put(self._describe(chain_id, layer, parent))
                parent = chain_id

    def write_tar(self, chain_id: str, out: Writable | None) -> WrittenLayer:
        """Write a layer's uncompressed tar, whose digest is its diff ID, or DigestMismatch is raised."""
        record = self._require(chain_id)
        if record.blob is not None:
            written = self._copy_blob(decode_descriptor(dict(record.blob), "layer"), out)
        else:
            written = self._regenerate(record, out)
        if str(written.diff_id) != record.diff_id:
            expected = Digest(*record.diff_id.split(":", 1))
            raise DigestMismatch(expected, written.diff_id)
        return written

    def ensure_blob(self, chain_id: str, packing: Packing = _PACKING) -> Descriptor:
        """The layer's blob; one that was made here gets it now: the same tar gives the same blob.

        A blob that is here in another compression will do, unless `packing` insists; what is made then belongs to
        the manifest that names it.
        """
        known = self._known_blob(chain_id)
        if known is not None and not (packing.is_forced and _differs(known, packing)):
            return known
        blob = self._pack(chain_id, packing, durable=True)
        if known is None:
            self.table.set_blob(chain_id, encode_descriptor(blob))
        return blob

    def _known_blob(self, chain_id: str) -> Descriptor | None:
        record = self._require(chain_id)
        for known in (record, *self.table.by_diff_id(record.diff_id)):
            blob = decode_descriptor(dict(known.blob), "layer") if known.blob else None
            if blob is not None and self._content.has(blob.digest):
                return blob
        return None

    def pack_gzip(self, chain_id: str) -> Descriptor:
        """A gzip blob of a layer that is kept otherwise, for who cannot take that; nobody is told of it."""
        return self._pack(chain_id, _PACKING, durable=False)

    def _pack(self, chain_id: str, packing: Packing, *, durable: bool) -> Descriptor:
        with self._content.writer() as writer:
            packer = open_packer(packing, writer)
            self.write_tar(chain_id, packer)
            packer.close()
            size = writer.size_bytes
            kind = layer_type(packing.compression)
            return Descriptor(kind, writer.commit(durable=durable), size)

    def total_size(self) -> int:
        """The bytes of all layers, each once."""
        return sum(record.size_bytes for record in self.table.list())

    def stack_size(self, chain: Sequence[Digest]) -> int:
        """The bytes of one image's layers."""
        records = (self.table.get(str(chain_id)) for chain_id in chain)
        return sum(record.size_bytes for record in records if record is not None)

    def remove_unused(self) -> tuple[list[str], int]:
        """Remove the layers that no image needs; answer their chain IDs, uppermost first, and their bytes.

        A container or a build that stands on a layer keeps it: it is tried again the next time.
        """
        removed: list[str] = []
        freed = 0
        kept: set[str] = set()
        while candidates := [r for r in self.table.unused() if r.chain_id not in kept]:
            for record in candidates:
                if self._remove(record):
                    removed.append(record.chain_id)
                    freed += record.size_bytes
                else:
                    kept.add(record.chain_id)
        self._snapshots.purge()
        return removed, freed

    def sweep(self) -> None:
        """Remove the snapshots of unpackings that a kill -9 has ended."""
        for snapshot in reversed(self._snapshots.walk()):
            if snapshot.name.startswith(_PASSING):
                self._discard(snapshot.name)

    def _unpack(
        self, chain: str, diff_id: Digest, source: LayerSource, parent: LayerRecord | None
    ) -> LayerRecord:
        key = f"{_PASSING}{token_hex(8)}"
        lowers = self._snapshots.lowers(parent.snapshot) if parent else ()
        self._snapshots.prepare(key, parent.snapshot if parent else None)
        try:
            applied = self._apply(key, source, lowers)
            if applied.diff_id != diff_id:
                raise DigestMismatch(diff_id, applied.diff_id)
            name = f"{key}-whole"
            self._snapshots.commit(key, name, durable=False)
        except BaseException:
            self._discard(key)
            raise
        blob = encode_descriptor(source.blob) if source.blob else None
        return LayerRecord(
            chain, str(diff_id), parent.chain_id if parent else None, name, applied.size_bytes, blob
        )

    def _apply(self, key: str, source: LayerSource, lowers: Sequence[str]) -> Applied:
        target = os.open(self._snapshots.upper_path(key), _DIRECTORY)
        try:
            with source.open() as stream:
                is_layered = self._snapshots.driver.is_layered
                return apply_layer(stream, target, lowers=lowers, is_layered=is_layered, limits=source.limits)
        finally:
            os.close(target)

    def _describe(self, chain_id: str, layer: LayerInfo, parent: str | None) -> LayerRecord:
        size = self._snapshots.usage(chain_id)[0] if layer.size_bytes is None else layer.size_bytes
        blob = encode_descriptor(layer.blob) if layer.blob else None
        return LayerRecord(chain_id, str(layer.diff_id), parent, chain_id, size, blob)

    def _copy_blob(self, blob: Descriptor, out: Writable | None) -> WrittenLayer:
        with self._content.open(blob.digest) as file:
            reader = DigestReader(open_decompressed(file))
            while data := reader.read(CHUNK_BYTES):
                if out is not None:
                    out.write(data)
        return WrittenLayer(reader.digest, reader.size_bytes)

    def _regenerate(self, record: LayerRecord, out: Writable | None) -> WrittenLayer:
        tree = self._snapshots.fs_path(record.snapshot)
        if self._snapshots.driver.is_layered:
            return write_layer(tree, out)
        below = self._require(record.parent).snapshot if record.parent else None
        return write_tree_diff(self._snapshots.fs_path(below) if below else None, tree, out)

    def _require(self, chain_id: str) -> LayerRecord:
        record = self.table.get(chain_id)
        if record is None:
            raise DataCorrupt(f"layer {chain_id} is not in the database")
        return record

    def _remove(self, record: LayerRecord) -> bool:
        """Whether it could be removed: the row, the snapshot, and the blob if no other place needs it."""
        with self.claims.lock:
            return self._remove_unpinned(record)

    def _remove_unpinned(self, record: LayerRecord) -> bool:
        if self.is_pinned(record.snapshot) or self.claims.is_pinned(record.chain_id):
            return False
        record = self.table.get(record.chain_id) or record  # another's blob may have come to it meanwhile
        try:
            with self._database.transaction():
                self.table.remove(record.chain_id)
                self._snapshots.remove(record.snapshot, deferred=True)
        except SnapshotInUse:
            return False
        except SnapshotNotFound:
            self.table.remove(record.chain_id)
        self._let_blob_go(record)
        return True

    def _let_blob_go(self, record: LayerRecord) -> None:
        """The same layer elsewhere keeps the blob, and removes it in its turn."""
        if record.blob is None:
            return
        heirs = self.table.by_diff_id(record.diff_id)
        if not heirs:
            self._content.remove(decode_descriptor(dict(record.blob), "layer").digest)
        elif all(heir.blob is None for heir in heirs):
            self.table.set_blob(heirs[0].chain_id, record.blob)

    def _discard(self, name: str) -> None:
        """Remove a snapshot that has a passing name still; after `name` it has none."""
        if self._snapshots.exists(name):
            self._snapshots.remove(name)


def _differs(blob: Descriptor, packing: Packing) -> bool:
    """Whether a blob is compressed otherwise, or may be: its level is not known."""
    return packing.level is not None or layer_compression(blob.media_type) is not packing.compression


def _named(record: LayerRecord) -> LayerRecord:
    return LayerRecord(
        record.chain_id, record.diff_id, record.parent, record.chain_id, record.size_bytes, record.blob
    )
