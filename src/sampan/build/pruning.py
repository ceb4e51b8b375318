# SPDX-License-Identifier: Apache-2.0
"""What the build cache holds, and making it smaller."""

from __future__ import annotations

import contextlib
import os
import shutil
from typing import Any

from sampan.build.cache import PREFIX, BuildCache
from sampan.build.cache_choice import CacheChoice, plan_prune
from sampan.build.cache_mounts import CacheMounts
from sampan.build.services import Workplace
from sampan.errors import Conflict, NotFound
from sampan.image.store import ImageStore
from sampan.linux.tree import remove_tree
from sampan.metadata.build_cache import CacheRecord
from sampan.oci.timestamp import format_timestamp
from sampan.snapshot.store import SnapshotStore
from sampan.snapshot.tree import measure_tree

EVERYTHING = CacheChoice()


def describe_cache(cache: BuildCache, snapshots: SnapshotStore, mounts: CacheMounts) -> list[dict[str, Any]]:
    """The Engine API's BuildCache records: results, the longest unused first, then cache mounts."""
    described = []
    for record in cache.records():
        snapshot = str(record.document["snapshot"])
        with contextlib.suppress(NotFound):
            size = snapshots.usage(snapshot)[0]
            described.append(_describe(record, size=size, in_use=cache.is_held(record.key)))
    return described + mounts.describe()


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
        records, mounts = _chosen(choice, snapshots, records, workplace.cache_mounts)
        for name in mounts:
            if (size := workplace.cache_mounts.remove(name)) is not None:
                removed.append(name)
                freed += size
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


def _chosen(
    choice: CacheChoice, snapshots: SnapshotStore, records: list[CacheRecord], mounts: CacheMounts
) -> tuple[list[CacheRecord], list[str]]:
    """The results that the choice takes, with the other keys of the same trees, and the cache mounts."""
    trees: dict[str, CacheRecord] = {
        str(record.document["snapshot"]): record for record in records if "snapshot" in record.document
    }
    entries = [
        (_describe(record, size=snapshots.usage(tree)[0], in_use=False), record.last_used_ns, tree)
        for tree, record in trees.items()
        if snapshots.exists(tree)
    ]
    entries += [(entry, mounts.last_used_ns(entry["ID"]), "") for entry in mounts.describe()]
    if choice.shared is False:
        # An image needs the others anyway: they take nothing that this could free.
        entries = [entry for entry in entries if not entry[0]["Shared"]]
    entries = sorted((entry for entry in entries if not entry[0]["InUse"]), key=lambda entry: entry[1])
    free = shutil.disk_usage(snapshots.root).free
    places = plan_prune(choice, [entry[:2] for entry in entries], free_bytes=free)
    taken = {entries[place][2] for place in places}
    names = [entries[place][0]["ID"] for place in places if not entries[place][2]]
    return [record for record in records if record.document.get("snapshot") in taken - {""}], names


def _empty_folders(workplace: Workplace) -> int:
    freed = sum(workplace.cache_mounts.remove(name) or 0 for name in workplace.cache_mounts.names())
    for name in os.listdir(workplace.downloads):
        path = f"{workplace.downloads}/{name}"
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
