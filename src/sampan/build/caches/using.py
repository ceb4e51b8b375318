# SPDX-License-Identifier: Apache-2.0
"""One build's caches: those that it was given, opened before it begins, and those that it writes at its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import NoReturn

from sampan.build.cache import Result
from sampan.build.caches.inbound import ImportedCache, Imports, open_cache
from sampan.build.caches.outbound import CacheSender, Sent
from sampan.build.caches.places import CachePlace
from sampan.build.reporter import Reporter
from sampan.build.services import StepServices
from sampan.errors import SampanError, Unsupported
from sampan.oci.reference import parse_reference
from sampan.registry.credentials import ANONYMOUS, Credentials
from sampan.registry.repository import Registries
from sampan.transport.opening import Surroundings, open_sink, open_source

SENDING = "preparing build cache for export"


async def open_imports(
    places: Sequence[CachePlace],
    around: Surroundings | None,
    reporter: Reporter,
    base_of: Callable[[str], Result | None],
    stack: AsyncExitStack,
) -> Imports | None:
    """The caches that can be read; one that cannot is told of, and the build goes on without it."""
    caches: list[ImportedCache] = []
    for place in places:
        try:
            with reporter.vertex(f"importing cache manifest from {place.shown}"):
                caches.append(await _open(place, around, stack))
        except (SampanError, OSError):
            continue  # the vertex says why
    return Imports(caches, base_of) if caches else None


async def _open(place: CachePlace, around: Surroundings | None, stack: AsyncExitStack) -> ImportedCache:
    if place.own is not None:
        return await open_cache(place.own.open_source())
    assert place.location is not None
    source = await stack.enter_async_context(open_source(place.location, _required(around)))
    return await open_cache(source)


async def export_caches(
    places: Sequence[CachePlace],
    around: Surroundings | None,
    services: StepServices,
    reporter: Reporter,
    *,
    every: Sequence[Result],
    image: Sequence[Result],
) -> None:
    """Write the results of a build: of all its stages, or (``mode=min``) those that its image is made of."""
    for place in places:
        if place.kind == "inline":
            continue  #: the image's config has it
        try:
            with reporter.vertex(f"exporting cache to {place.shown}") as vertex:
                results = list({one.key: one for one in (image if place.is_min else every)}.values())
                sent = await send_cache(place, around, services, results, told=vertex.status)
                vertex.status(f"wrote {sent.records} records", sent.size_bytes, completed=True)
        except (SampanError, OSError):
            if not place.ignore_error:
                raise


async def send_cache(
    place: CachePlace,
    around: Surroundings | None,
    services: StepServices,
    results: Sequence[Result],
    mounts: Sequence[str] = (),
    *,
    told: Callable[[str, int], None] = lambda _name, _size: None,
) -> Sent:
    """Write results and cache mounts to one place."""
    with services.workplace.temporary_folder() as folder:
        if place.own is not None:
            return await CacheSender(services, place.own.open_sink(), folder, told).send(results, mounts)
        assert place.location is not None
        async with open_sink(place.location, _required(around)) as sink:
            return await CacheSender(services, sink, folder, told).send(results, mounts)


def cache_transports(registries: Registries, accounts: Mapping[str, Credentials]) -> Surroundings:
    """Folders, archives and registries, with the log-ins of who asks; engines keep their caches themselves."""

    def credentials_of(name: str) -> Credentials:
        return accounts.get(parse_reference(name).registry, ANONYMOUS)

    return Surroundings(registries, credentials_of, _no_engine)


def _no_engine() -> NoReturn:
    raise Unsupported("a build cache cannot lie in an engine")


def _required(around: Surroundings | None) -> Surroundings:
    if around is None:
        raise Unsupported("the build cache cannot leave or enter this builder")
    return around
