# SPDX-License-Identifier: Apache-2.0
"""Results of steps that are kept: records in state.db, trees in the snapshot store.

A record names a committed snapshot; when that is gone the record is worth nothing. A snapshot of ours is called
``build-…`` until an image needs it, and then by its chain ID; a result's `identity` never changes.

A record is written as soon as its snapshot is committed, but the tree may not be on the disk yet: until the
build has synced it says in which boot of the machine it was written, and after another boot it is no record.
That survives kill -9 at any time and a power cut, without waiting for the disk after each step.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from sampan.errors import Conflict, NotFound
from sampan.metadata.build_cache import BuildCacheTable, CacheRecord
from sampan.metadata.database import Database
from sampan.oci.descriptor import Descriptor, decode_descriptor, encode_descriptor
from sampan.snapshot.store import SnapshotStore

_T = TypeVar("_T")

PREFIX = "build-"
_EARLIER = "earlier:"
_ALIAS = "alias:"


@dataclass(frozen=True, slots=True)
class Result:
    """What a step made. `snapshot` None is the empty tree (``FROM scratch``); `key` "" a base image's tree.

    `parent` is the identity of the tree that it was made on.
    """

    identity: str
    snapshot: str | None
    key: str = ""
    created_ns: int = 0
    diff_id: str = ""
    size_bytes: int = 0
    parent: str = ""


class BuildCache:
    """The results of one engine's builds; any task or thread may use it."""

    def __init__(self, database: Database, snapshots: SnapshotStore, *, boot_id: str) -> None:
        self.table = BuildCacheTable(database)
        self.snapshots = snapshots
        self._boot_id = boot_id
        self._locks: dict[str, _CountedLock] = {}
        self._renamed: dict[str, str] = {}
        self._lock = threading.RLock()
        self._held: Counter[str] = Counter()

    def hold(self, key: str) -> None:
        """A running build uses this result: it is not for pruning."""
        with self._lock:
            self._held[key] += 1

    def let_go(self, keys: Iterable[str]) -> None:
        """The build that held these has ended."""
        with self._lock:
            self._held.subtract(keys)
            self._held += Counter()

    def is_held(self, key: str) -> bool:
        """Whether a running build uses this result."""
        return self._held[key] > 0

    def find(self, key: str) -> Result | None:
        """The result with this key, if its snapshot is still there."""
        record = self.table.get(key)
        if record is None:
            return None
        document = record.document
        if document.get("boot", self._boot_id) != self._boot_id:
            self.table.remove([key])
            return None
        snapshot = str(document["snapshot"])
        if not self.snapshots.exists(snapshot):
            self.table.remove([key])
            return None
        return Result(
            identity=str(document["identity"]),
            snapshot=snapshot,
            key=key,
            created_ns=int(document["created_ns"]),
            diff_id=str(document.get("diff_id", "")),
            size_bytes=int(document.get("size_bytes", 0)),
            parent=str(document.get("parent", "")),
        )

    def put(self, key: str, active: str, *, description: str, parent: str = "") -> Result:
        """Commit an active snapshot as the result with this key."""
        identity = PREFIX + secrets.token_hex(8)
        self.snapshots.commit(active, identity, durable=False)
        result = Result(identity, identity, key, created_ns=time.time_ns(), parent=parent)
        self._write(result, {"description": description, "boot": self._boot_id}, now_ns=result.created_ns)
        return result

    def put_imported(
        self,
        key: str,
        active: str,
        *,
        identity: str,
        parent: str,
        description: str,
        created_ns: int,
        diff_id: str,
    ) -> Result:
        """Commit an active snapshot as a result that was made elsewhere, by its identity there."""
        snapshot = PREFIX + secrets.token_hex(8)
        self.snapshots.commit(active, snapshot, durable=False)
        result = Result(identity, snapshot, key, created_ns, diff_id, parent=parent)
        self._write(result, {"description": description, "boot": self._boot_id}, now_ns=time.time_ns())
        return result

    def packed(self, result: Result) -> tuple[str, Descriptor | None]:
        """The diff ID of a result's layer, and its blob, where it was made once already."""
        document = self._document(result)
        blob = document.get("blob")
        diff_id = str(document.get("diff_id", ""))
        return diff_id, decode_descriptor(blob, "build cache") if blob and diff_id else None

    def describe_blob(self, result: Result, diff_id: str, blob: Descriptor) -> None:
        """Remember what a result's layer is when it is packed."""
        record = self.table.get(result.key)
        if record is not None and record.document.get("identity") == result.identity:
            document = {**record.document, "diff_id": diff_id, "blob": encode_descriptor(blob)}
            self.table.put(record.key, document, now_ns=record.created_ns, in_use=record.in_use)

    def description(self, result: Result) -> str:
        """What made it."""
        return str(self._document(result).get("description", ""))

    def _document(self, result: Result) -> Mapping[str, Any]:
        record = self.table.get(result.key)
        return record.document if record is not None else {}

    def describe_layer(self, result: Result, diff_id: str, size_bytes: int) -> Result:
        """Remember the digest of a result's layer."""
        described = replace(result, diff_id=diff_id, size_bytes=size_bytes)
        self._update(described)
        return described

    def rename(self, result: Result, name: str) -> Result:
        """Let the result's snapshot be called `name`, or use the snapshot that already is.

        Builds that run at the same time may still use the old name: see `with_snapshot`.
        """
        with self._lock:
            old = self.current_name(result.snapshot)
            if old is None or old == name:
                return replace(result, snapshot=old)
            try:
                self.snapshots.rename(old, name)
            except Conflict:
                return replace(result, snapshot=name)
            self._renamed[old] = name
            renamed = replace(result, snapshot=name)
            self._update(renamed)
            return renamed

    def current_name(self, snapshot: str | None) -> str | None:
        """What a snapshot is called now."""
        with self._lock:
            while snapshot in self._renamed:
                snapshot = self._renamed[snapshot]
        return snapshot

    def with_snapshot(self, result: Result, use: Callable[[str | None], _T]) -> _T:
        """Call with the name of the result's snapshot, which another build may change at any moment."""
        with self._lock:
            return use(self.current_name(result.snapshot))

    def sync(self, keys: Iterable[str]) -> None:
        """Wait until the results' trees are on the disk, and let their records say so."""
        records = [record for key in keys if (record := self.table.get(key)) is not None]
        unsynced = [record for record in records if "boot" in record.document]
        if not unsynced:
            return
        self.snapshots.sync()
        for record in unsynced:
            document = {name: value for name, value in record.document.items() if name != "boot"}
            self.table.put(record.key, document, now_ns=record.created_ns, in_use=record.in_use)

    def touch(self, keys: Iterable[str]) -> None:
        """Note that results were used."""
        self.table.touch(keys, now_ns=time.time_ns())

    def put_alias(self, alias: str, key: str) -> None:
        """Let a quickly found key lead to one that took work to find."""
        self.table.put(_ALIAS + alias, {"key": key}, now_ns=time.time_ns())

    def find_alias(self, alias: str) -> Result | None:
        """The result that an alias leads to."""
        record = self.table.get(_ALIAS + alias)
        return self.find(str(record.document["key"])) if record is not None else None

    def put_earlier(self, signature: str, identity: str, key: str) -> None:
        """Remember the last result of a step, whatever it was made from."""
        self.table.put(_EARLIER + signature, {"identity": identity, "key": key}, now_ns=time.time_ns())

    def find_earlier(self, signature: str) -> Result | None:
        """The last result of the step with this signature."""
        record = self.table.get(_EARLIER + signature)
        return self.find(str(record.document["key"])) if record is not None else None

    @contextlib.asynccontextmanager
    async def only_one(self, key: str) -> AsyncIterator[None]:
        """Two builds that need the same step do not both run it."""
        lock = self._locks.setdefault(key, _CountedLock())
        lock.users += 1
        try:
            async with lock.lock:
                yield
        finally:
            lock.users -= 1
            if not lock.users:
                self._locks.pop(key, None)

    def is_pinned(self, snapshot: str) -> bool:
        """Whether a result has this snapshot, which an image need not have any more."""
        return any(record.document["snapshot"] == snapshot for record in self.records())

    def records(self) -> list[CacheRecord]:
        """The records of results, the longest unused first."""
        return [record for record in self.table.list() if "snapshot" in record.document]

    def sweep(self, kept: set[str]) -> None:
        """At start-up no build runs: remove what one left that was killed, and snapshots that nothing names.

        `kept` are the snapshots that layers of images name.
        """
        self.table.release()
        named = {str(record.document["snapshot"]) for record in self.records()} | kept
        for snapshot in reversed(self.snapshots.walk()):
            if snapshot.name.startswith(PREFIX) and snapshot.name not in named:
                with contextlib.suppress(Conflict, NotFound):
                    self.snapshots.remove(snapshot.name, deferred=True)

    def _update(self, result: Result) -> None:
        record = self.table.get(result.key)
        if record is not None and record.document.get("identity") == result.identity:
            self._write(result, record.document, now_ns=record.created_ns)

    def _write(self, result: Result, more: Mapping[str, object], *, now_ns: int) -> None:
        document = {
            **more,
            "identity": result.identity,
            "snapshot": result.snapshot,
            "created_ns": result.created_ns,
            "parent": result.parent,
        }
        if result.diff_id:
            document |= {"diff_id": result.diff_id, "size_bytes": result.size_bytes}
        self.table.put(result.key, document, now_ns=now_ns)


class _CountedLock:
    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.users = 0


def read_boot_id() -> str:
    """The kernel's name for this boot of the machine."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()
