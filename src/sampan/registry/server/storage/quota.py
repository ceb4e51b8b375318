# SPDX-License-Identifier: Apache-2.0
"""How much repositories and the registry may hold, and how much they do.

Usage is counted from the directories, so that it cannot drift from what is there. Counting everything takes a while
in a large registry, so the sum is believed for ten times as long as it took to make; what this process has taken over
since is added.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from sampan.registry.server.errors import Refusal
from sampan.registry.server.storage.repository import Repository, walk_blobs

_TRUST_FACTOR = 10


@dataclass(frozen=True, slots=True)
class Quotas:
    """Limits in bytes: for everything, and for repositories by pattern, of which the first that fits counts."""

    total_bytes: int | None = None
    repositories: Sequence[tuple[str, int]] = ()

    def of(self, name: str) -> int | None:
        """The limit of one repository."""
        return next((limit for pattern, limit in self.repositories if fnmatchcase(name, pattern)), None)


class QuotaKeeper:
    """The quotas of a registry, as one process sees them."""

    def __init__(self, quotas: Quotas, pool: str) -> None:
        self._quotas = quotas
        self._pool = pool
        self._total = 0
        self._valid_until = 0.0

    def require(self, repository: Repository, size: int) -> None:
        """Refuse what would be too much."""
        limit = self._quotas.of(repository.name)
        if limit is not None:
            _check(f"repository {repository.name}", repository_bytes(repository), size, limit)
        if self._quotas.total_bytes is not None:
            _check("registry", self.count_total(), size, self._quotas.total_bytes)
            self._total += size

    @property
    def is_limited(self) -> bool:
        """Whether there is any limit."""
        return self._quotas.total_bytes is not None or bool(self._quotas.repositories)

    def left(self, repository: Repository, come: int, coming: Callable[[], int]) -> int | None:
        """How many bytes more an upload to a repository may bring, of which so many have come.

        `coming` is what all uploads take by now: what is begun and not ended fills the disk, too.
        """
        found = []
        limit = self._quotas.of(repository.name)
        if limit is not None:
            found.append(limit - repository_bytes(repository) - come)
        if self._quotas.total_bytes is not None:
            found.append(self._quotas.total_bytes - self.count_total() - coming())
        return max(0, min(found)) if found else None

    def count_total(self) -> int:
        """What all blobs take."""
        started = time.monotonic()
        if started >= self._valid_until:
            self._total = sum(status.st_size for _, status in walk_blobs(self._pool))
            ended = time.monotonic()
            self._valid_until = ended + (ended - started) * _TRUST_FACTOR
        return self._total


def repository_bytes(repository: Repository) -> int:
    """What the blobs of a repository take, were they its own."""
    return sum(status.st_size for _, status in repository.walk_blobs())


def _check(what: str, used: int, more: int, limit: int) -> None:
    if used + more > limit:
        detail = {"limit": limit, "used": used, "requested": more}
        raise Refusal("DENIED", f"quota of the {what} exceeded", detail=detail)
