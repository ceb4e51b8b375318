# SPDX-License-Identifier: Apache-2.0
"""Repositories that are a cache of another registry's.

Holds: content is kept only with the digest that was asked for; of a blob that is on its way here, the last block is
given out only when all of it was right. A tag is believed for a time, then its upstream is asked; while that is down,
what is here is served. What many clients want is fetched once, also by several workers.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from sampan.errors import NotFound, SampanError
from sampan.oci.digest import Digest
from sampan.oci.reference import DEFAULT_REGISTRY, Reference
from sampan.registry import repository as remote
from sampan.registry.credentials import ANONYMOUS, Credentials
from sampan.registry.server.contents import Contents
from sampan.registry.server.errors import Refusal, blob_unknown, manifest_unknown
from sampan.registry.server.protocol.call import Call
from sampan.registry.server.storage.index import Record
from sampan.registry.server.storage.repository import Repository
from sampan.registry.server.telemetry import Telemetry
from sampan.registry.server.transit import Transit
from sampan.registry.settings import Settings

logger = logging.getLogger(__name__)

_POLL_S = 0.05
_MOST_CHECKED = 100_000


@dataclass(frozen=True, slots=True)
class CacheRule:
    """Repositories below `prefix` (all, if it is empty) are those of `registry`, below `path` there."""

    prefix: str
    registry: str
    path: str = ""
    expiry_s: float = 3600.0
    credentials: Credentials = field(default=ANONYMOUS)

    def fits(self, name: str) -> bool:
        """Whether a repository is one of these."""
        return not self.prefix or name.startswith(f"{self.prefix}/")

    def reference(self, name: str) -> Reference:
        """The repository there."""
        rest = name[len(self.prefix) + 1 :] if self.prefix else name
        if self.path:
            rest = f"{self.path}/{rest}"
        if self.registry == DEFAULT_REGISTRY and "/" not in rest:
            rest = f"library/{rest}"
        return Reference(self.registry, rest)


class Upstreams:
    """All caches of a registry, as one worker sees them."""

    def __init__(self, rules: Sequence[CacheRule], settings: Settings, telemetry: Telemetry) -> None:
        self._rules = sorted(rules, key=lambda rule: len(rule.prefix), reverse=True)
        self._registries = remote.Registries(settings)
        self._telemetry = telemetry
        self._checked: dict[tuple[str, str], float] = {}
        self._transits: dict[tuple[str, Digest], Transit] = {}
        self._contents = Contents()

    def rule_for(self, name: str) -> CacheRule | None:
        """The rule of a repository that is a cache."""
        return next((rule for rule in self._rules if rule.fits(name)), None)

    async def manifest(self, call: Call, repository: Repository, reference: str) -> Record | None:
        """What a cache has by this name, brought here or up to date if need be; None: it is no cache's."""
        rule = self.rule_for(repository.name)
        if rule is None:
            return None
        known = repository.index().find(reference)
        if known is not None and (":" in reference or self._is_fresh(repository.name, reference, rule)):
            self._telemetry.add("sampan_registry_cache_hits_total")
            return known
        async with _alone(call, f"{repository.name}@{reference}"):
            known = repository.index().find(reference)  # it may have come while we waited
            if known is not None and (":" in reference or self._is_fresh(repository.name, reference, rule)):
                return known
            try:
                found = await self._fetch_manifest(call, rule, repository, reference, known)
            except NotFound as error:
                raise manifest_unknown(repository.name, reference) from error
            except SampanError as error:
                return self._serve_stale(repository, reference, known, error)
        self._note_checked(repository.name, reference)
        return found

    async def blob(self, call: Call, repository: Repository, digest: Digest) -> Transit:
        """A blob that is not here, on its way. Raises Refusal if it is nowhere."""
        rule = self.rule_for(repository.name)
        descriptor = await call.block(self._contents.find, repository, digest) if rule else None
        if rule is None or descriptor is None:
            raise blob_unknown(digest)
        key = (repository.name, digest)
        transit = self._transits.get(key)
        if transit is None:
            self._telemetry.add("sampan_registry_cache_misses_total")
            transit = self._transits[key] = Transit(call.service, repository.name, descriptor)
            transit.start(self._fetch_blob(call, rule, transit), lambda: self._transits.pop(key, None))
        return transit

    async def blob_size(self, call: Call, repository: Repository, digest: Digest) -> int | None:
        """How large a blob is that is not here; None if it is no cache's."""
        if self.rule_for(repository.name) is None:
            return None
        descriptor = await call.block(self._contents.find, repository, digest)
        return descriptor.size if descriptor else None

    async def tags(self, repository: Repository) -> list[str]:
        """The tags that the upstream has; none if it is down or this is no cache."""
        rule = self.rule_for(repository.name)
        if rule is None:
            return []
        try:
            return [tag async for tag in self._open(rule, repository.name)[0].tags()]
        except SampanError as error:
            logger.warning("%s: tags of the upstream: %s", repository.name, error)
            return []

    async def close(self) -> None:
        """End all connections."""
        await self._registries.close()

    def _open(self, rule: CacheRule, name: str) -> list[remote.Repository]:
        return self._registries.open(rule.reference(name), rule.credentials)

    async def _fetch_manifest(
        self, call: Call, rule: CacheRule, repository: Repository, reference: str, known: Record | None
    ) -> Record:
        self._telemetry.add("sampan_registry_cache_misses_total")
        failure: SampanError | None = None
        for source in self._open(rule, repository.name):
            try:
                if known is not None:
                    head = await source.head(reference)
                    if head is not None and str(head.digest) == known.digest:
                        return known
                fetched = await source.manifest(reference)
            except SampanError as error:
                failure = error
                continue
            expected = call_digest(reference)
            record, _ = await call.block(
                call.store.put_manifest,
                repository,
                fetched.raw,
                fetched.media_type,
                expected,
                [] if expected else [reference],
                is_complete=False,
            )
            return record
        raise failure or NotFound(reference)

    def _serve_stale(
        self, repository: Repository, reference: str, known: Record | None, error: SampanError
    ) -> Record:
        if known is None:
            message = f"the upstream of {repository.name} does not answer"
            logger.warning("%s: %s", message, error)
            raise Refusal("UNAVAILABLE", message, headers={"Retry-After": "30"}) from error
        logger.warning("%s:%s is served as it was: %s", repository.name, reference, error)
        self._telemetry.add("sampan_registry_cache_stale_total")
        return known

    async def _fetch_blob(self, call: Call, rule: CacheRule, transit: Transit) -> None:
        digest = transit.descriptor.digest
        async with _alone(call, f"{transit.repository}@{digest}"):
            if call.store.repository(transit.repository).blob_size(digest) is not None:
                return  # another worker has brought it meanwhile
            failure: SampanError | None = None
            for source in self._open(rule, transit.repository):
                try:
                    await transit.take(source.stream(transit.descriptor))
                except SampanError as error:
                    failure = error
                    continue
                return
            raise failure or blob_unknown(digest)

    def _is_fresh(self, name: str, reference: str, rule: CacheRule) -> bool:
        checked = self._checked.get((name, reference))
        return checked is not None and time.monotonic() - checked < rule.expiry_s

    def _note_checked(self, name: str, reference: str) -> None:
        if len(self._checked) >= _MOST_CHECKED:
            self._checked.clear()
        self._checked[name, reference] = time.monotonic()


def call_digest(reference: str) -> Digest | None:
    """The digest that a reference is, if it is one; it has been checked."""
    algorithm, colon, hexadecimal = reference.partition(":")
    return Digest(algorithm, hexadecimal) if colon else None


@asynccontextmanager
async def _alone(call: Call, what: str) -> AsyncIterator[None]:
    """No other request, of any worker, does the same meanwhile."""
    mark = Digest.of(what.encode()).hex[:32]
    path = f"{call.store.tree.uploads}/{mark}.flight"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(_POLL_S)
        yield
    finally:
        os.close(descriptor)
