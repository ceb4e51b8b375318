# SPDX-License-Identifier: Apache-2.0
"""What the build cache holds, and making it smaller."""

from __future__ import annotations

import contextlib
import os
import shutil
from typing import Any

from sampan.build.cache import PREFIX, BuildCache
from sampan.build.cache_choice import CacheChoice, plan_prune
from sampan.build.services import Workplace
from sampan.errors import Conflict, NotFound
from sampan.image.store import ImageStore
from sampan.linux.tree import remove_tree
from sampan.metadata.build_cache import CacheRecord
from sampan.oci.timestamp import format_timestamp
from sampan.snapshot.store import SnapshotStore
from sampan.snapshot.tree import measure_tree

EVERYTHING = CacheChoice()


def describe_cache(cache: BuildCache, snapshots: SnapshotStore) -> list[dict[str, Any]]:
    """The Engine API's BuildCache records, the longest unused first."""
    described = []
    for record in cache.records():
        snapshot = str(record.document["snapshot"])
        with contextlib.suppress(NotFound):
            size = snapshots.usage(snapshot)[0]
            described.append(_describe(record, size=size, in_use=cache.is_held(record.key)))
    return described


def prune_cache(
    cache: BuildCache,
    snapshots: SnapshotStore,
    images: ImageStore,
    workplace: Workplace,
    *,
    everything: bool,
    choice: CacheChoice = EVERYTHING,
) -> tuple[list[str], int]:
    """Forget results; their trees go unless an image needs them. `everything` empties cache mounts too."""
    removed: list[str] = []
    freed = 0
    records = [record for record in cache.table.list() if not cache.is_held(record.key)]
    if not choice.is_everything:
        records = _chosen(choice, snapshots, records)
    cache.table.remove([record.key for record in records])
    named = {layer.snapshot for layer in images.layers.table.list()}
    trees = {str(record.document["snapshot"]) for record in records if "snapshot" in record.document}
    for snapshot in reversed(snapshots.walk()):
        if snapshot.name in trees:
            removed.append(snapshot.name.removeprefix(PREFIX))
        if snapshot.name in trees - named:
            size = snapshots.usage(snapshot.name)[0]
            with contextlib.suppress(Conflict, NotFound):
                snapshots.remove(snapshot.name, deferred=True)
                freed += size
    freed += images.layers.remove_unused()[1]
    if choice.is_everything:
        freed += workplace.contexts.prune()
    if everything:
        freed += _empty_folders(workplace)
    workplace.forget_manifests({str(record.document["identity"]) for record in cache.records()})
    return removed, freed


def _chosen(choice: CacheChoice, snapshots: SnapshotStore, records: list[CacheRecord]) -> list[CacheRecord]:
    """Those that the choice takes, with the other keys of the same trees."""
    trees: dict[str, CacheRecord] = {
        str(record.document["snapshot"]): record for record in records if "snapshot" in record.document
    }
    entries = [
        (_describe(record, size=snapshots.usage(tree)[0], in_use=False), record.last_used_ns)
        for tree, record in trees.items()
    ]
    places = plan_prune(choice, entries, free_bytes=shutil.disk_usage(snapshots.root).free)
    taken = {list(trees)[place] for place in places}
    return [record for record in records if record.document.get("snapshot") in taken]


def _empty_folders(workplace: Workplace) -> int:
    freed = 0
    for folder in (workplace.mounts, workplace.downloads):
        for name in os.listdir(folder):
            path = f"{folder}/{name}"
            if os.path.isdir(path):
                freed += measure_tree(path)[0]
                remove_tree(path)
            else:
                os.unlink(path)
    return freed


def _describe(record: CacheRecord, *, size: int, in_use: bool) -> dict[str, Any]:
    return {
        "ID": str(record.document["identity"]).removeprefix(PREFIX),
        "Type": "regular",
        "Description": str(record.document.get("description", "")),
        "InUse": in_use,
        "Shared": not str(record.document["snapshot"]).startswith(PREFIX),
        "Size": size,
        "CreatedAt": format_timestamp(record.created_ns),
        "LastUsedAt": format_timestamp(record.last_used_ns),
        "UsageCount": record.use_count,
    }
