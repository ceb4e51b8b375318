# SPDX-License-Identifier: Apache-2.0
"""Which results of the build cache a prune may take (pure).

Source: Engine API v1.51, BuildPrune; BuildKit `cache/manager.go`, calculateKeepBytes and prune: the longest unused go
first, until no more is kept than is wanted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class CacheChoice:
    """What to take: by what it is, by how long nobody used it, and how much of all to leave (bytes, 0: no matter)."""

    ids: frozenset[str] = frozenset()
    descriptions: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    shared: bool | None = None
    unused_since_ns: int | None = None
    reserved_bytes: int = 0
    max_used_bytes: int = 0
    min_free_bytes: int = 0

    @property
    def is_everything(self) -> bool:
        """Nothing is spared."""
        return self == CacheChoice()

    def takes(self, entry: Mapping[str, Any], *, last_used_ns: int) -> bool:
        """Whether it may take a result, which is described as a BuildCache of the API."""
        return (
            (not self.ids or any(entry["ID"].startswith(each) for each in self.ids))
            and (not self.descriptions or entry["Description"] in self.descriptions)
            and (not self.types or entry["Type"] in self.types)
            and (self.shared is None or entry["Shared"] == self.shared)
            and (self.unused_since_ns is None or last_used_ns < self.unused_since_ns)
        )

    def kept_bytes(self, *, used_bytes: int, free_bytes: int) -> int:
        """How much may stay; 0 if nothing need."""
        kept = self.max_used_bytes
        missing = self.min_free_bytes - free_bytes
        if missing > 0:
            kept = min(kept, used_bytes - missing) if kept else used_bytes - missing
        return max(kept, self.reserved_bytes)


def plan_prune(
    choice: CacheChoice, entries: Sequence[tuple[Mapping[str, Any], int]], *, free_bytes: int
) -> list[int]:
    """Places of the entries to take; they come the longest unused first, each with the time of its last use."""
    used = sum(entry["Size"] for entry, _ in entries)
    kept = choice.kept_bytes(used_bytes=used, free_bytes=free_bytes)
    taken = []
    for place, (entry, last_used_ns) in enumerate(entries):
        if kept and used <= kept:
            break
        if choice.takes(entry, last_used_ns=last_used_ns):
            taken.append(place)
            used -= entry["Size"]
    return taken
