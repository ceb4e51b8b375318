# SPDX-License-Identifier: Apache-2.0
"""The whole cache at once, without a build: ``builder cache export`` and ``builder cache import``."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from sampan.build.cache import Result
from sampan.build.caches.inbound import Imports, bring_mount, open_cache
from sampan.build.caches.outbound import Sent
from sampan.build.caches.places import CachePlace
from sampan.build.caches.using import send_cache
from sampan.build.services import StepServices
from sampan.transport.opening import Surroundings, open_source


@dataclass(slots=True)
class Brought:
    """What an import came to; `skipped` results stand on base images that are not here."""

    records: int = 0
    mounts: int = 0
    skipped: int = 0


async def export_whole(
    services: StepServices, place: CachePlace, around: Surroundings, *, mounts: bool
) -> Sent:
    """Write all results, held until they are written."""
    cache = services.cache
    keys = [record.key for record in cache.records()]
    for key in keys:
        cache.hold(key)
    try:
        results = [result for key in keys if (result := cache.find(key)) is not None]
        names = services.workplace.cache_mounts.names() if mounts else []
        return await send_cache(place, around, services, results, names)
    finally:
        cache.let_go(keys)


async def import_whole(
    services: StepServices,
    place: CachePlace,
    around: Surroundings,
    base_of: Callable[[str], Result | None],
    *,
    mounts: bool,
) -> Brought:
    """Bring all results, each after the one that it stands on."""
    brought = Brought()
    assert place.location is not None
    async with AsyncExitStack() as stack:
        source = await stack.enter_async_context(open_source(place.location, around))
        opened = await open_cache(source)
        imports = Imports([opened], base_of)
        for record in opened.document.records:
            if await imports.bring(services, opened, record) is None:
                brought.skipped += 1
            else:
                brought.records += 1
        for mount in opened.document.mounts if mounts else ():
            brought.mounts += await bring_mount(services, opened, mount)
    return brought
