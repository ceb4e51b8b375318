# SPDX-License-Identifier: Apache-2.0
"""What a registry does by itself while it serves: it applies retention and collects garbage, now and then.

One process at a time does it, whichever has the lock: the workers of a registry, and the commands on the same root.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from sampan.registry.server.storage.collect import Collected, Grace, collect
from sampan.registry.server.storage.retention import RetentionRule, retain
from sampan.registry.server.storage.store import Store
from sampan.registry.server.telemetry import Telemetry

logger = logging.getLogger(__name__)

_FIRST_S = 60.0


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What is done, and how often."""

    interval_s: float = 3600.0
    grace: Grace = field(default_factory=Grace)
    retention: Sequence[RetentionRule] = ()


@contextmanager
def upkeep_lock(store: Store, *, wait: bool) -> Iterator[bool]:
    """Whether nobody else is at it."""
    descriptor = os.open(f"{store.tree.root}/upkeep.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def run_once(store: Store, upkeep: Upkeep) -> Collected | None:
    """Do it now; None if somebody else does."""
    with upkeep_lock(store, wait=False) as is_ours:
        if not is_ours:
            return None
        for name, tags in retain(store, upkeep.retention).items():
            logger.info("%s: retention removed %s", name, ", ".join(tags))
        return collect(store, upkeep.grace)


async def run_for_ever(store: Store, upkeep: Upkeep, telemetry: Telemetry) -> None:
    """Until cancelled."""
    loop = asyncio.get_running_loop()
    await asyncio.sleep(min(_FIRST_S, upkeep.interval_s))
    while True:
        try:
            found = await loop.run_in_executor(None, partial(run_once, store, upkeep))
        except Exception:
            logger.exception("upkeep failed; it will be tried again")
        else:
            if found is not None:
                telemetry.add("sampan_registry_collected_bytes_total", found.bytes)
                logger.info(
                    "upkeep removed %d manifests, %d links to blobs, %d bytes, %d uploads",
                    found.manifests,
                    found.blobs,
                    found.bytes,
                    found.uploads,
                )
        await asyncio.sleep(upkeep.interval_s)
