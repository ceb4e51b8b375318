# SPDX-License-Identifier: Apache-2.0
"""Pull: an image from a registry into the store, its layers unpacked while they come.

    manifest, config ──→ layers downloaded in parallel ──→ content store
                              └─ bytes so far ─→ unpacked from below upwards, under passing names ─→ one transaction
Holds: what the policy demands of the name is met by the digest that is then pulled, before a layer is asked for. An
image, its names and its layers appear in one transaction, after every digest has been checked and one sync for all.
What fails, or is killed, leaves blobs and snapshots without names, which are removed then or at the next start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from sampan.archive.extract import Limits
from sampan.errors import Cancelled, SampanError
from sampan.image.arrival import Arrival
from sampan.image.downloads import Downloads, Listener
from sampan.image.layers import LayerSource, Unpacked
from sampan.image.model import Image
from sampan.image.remote import RemoteImage, find_image
from sampan.image.store import ImageStore
from sampan.image.transfer import Line, Meter, Progress, ignore
from sampan.metadata.verifications import VerificationTable
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest
from sampan.oci.platform import Platform
from sampan.oci.reference import Reference
from sampan.registry.credentials import ANONYMOUS, Credentials
from sampan.registry.referrers import is_attachment_tag
from sampan.registry.repository import Registries
from sampan.registry.settings import GIB
from sampan.registry.settings import Limits as RegistryLimits
from sampan.registry.trust.guard import Guard
from sampan.registry.trust.policy import Policy

_THREADS = 16


@dataclass(frozen=True, slots=True)
class Pulled:
    """The image, what its reference stood for on the registry, and whether that is news."""

    image: Image
    digest: Digest
    is_new: bool


@dataclass(slots=True)
class _Abort:
    """Ends the unpacking thread from outside."""

    error: BaseException | None = None

    def check(self) -> None:
        if self.error is not None:
            raise self.error


class Puller:
    """All pulls of one engine."""

    def __init__(self, store: ImageStore, registries: Registries, guard: Guard | None = None) -> None:
        self._store = store
        self._registries = registries
        self._guard = guard or Guard(Policy(), VerificationTable(store.database), registries)
        self._downloads = Downloads(store.content, registries.settings.downloads)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="unpack")

    async def pull(
        self,
        reference: Reference,
        *,
        platform: Platform | None = None,
        credentials: Credentials = ANONYMOUS,
        progress: Progress = ignore,
        names: Sequence[Reference] = (),
    ) -> Pulled:
        """Bring one image here, under its reference and the further `names`."""
        self._guard.require_name(reference)
        repositories = self._registries.open(reference, credentials)
        found = await find_image(repositories, reference, platform=platform, content=self._store.content)
        subjects = (found.digest, found.manifest.digest)
        evidence = await self._guard.judge_pull(reference, subjects, (found.repository, *repositories))
        progress(Line(f"Pulling from {reference.repository}", str(reference.digest or reference.tag)))
        for one in evidence:
            progress(Line(f"Verified: {one.digest.short} is signed by {one.publisher}"))
        before = self._named(reference, found.config.platform)
        references = [name for name in (reference, *names) if name.digest is None]
        await self._bring(found, references, reference.with_digest(found.digest), progress)
        image = self._store.get(found.config.image_id)
        self._guard.remember(image.id, reference, evidence)
        pulled = Pulled(image, found.digest, before != str(image.id))
        progress(Line(f"Digest: {found.digest}"))
        news = "Downloaded newer image" if pulled.is_new else "Image is up to date"
        progress(Line(f"Status: {news} for {reference.familiar()}"))
        return pulled

    async def tags(self, reference: Reference, credentials: Credentials = ANONYMOUS) -> list[Reference]:
        """All tags of a repository, as references; signatures, which some keep by tag, are no images."""
        repository = self._registries.open(reference, credentials)[-1]
        return [reference.with_tag(tag) async for tag in repository.tags() if not is_attachment_tag(tag)]

    def close(self) -> None:
        """Wait for no thread."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _named(self, reference: Reference, platform: Platform) -> str | None:
        try:
            return str(self._store.resolve(str(reference), platform).id)
        except SampanError:
            return None

    async def _bring(
        self, found: RemoteImage, references: Sequence[Reference], digest: Reference, progress: Progress
    ) -> None:
        layers = found.manifest.layers
        blobs = {found.config.image_id, found.manifest.digest, *(layer.digest for layer in layers)}
        if found.index is not None:
            blobs.add(found.index.descriptor.digest)
        abort = _Abort()
        is_tidy = False
        try:
            with self._store.content.lease(blobs):
                async with AsyncExitStack() as stack:
                    sources, tasks = await self._start(found, stack, abort, progress)
                    work = lambda: self._unpack(found, sources, references, digest, abort)  # noqa: E731
                    is_tidy = await _together(self._threads, work, tasks, abort)
        finally:
            if not is_tidy:
                await asyncio.shield(asyncio.to_thread(self._store.forget_blobs, blobs))

    async def _start(
        self, found: RemoteImage, stack: AsyncExitStack, abort: _Abort, progress: Progress
    ) -> tuple[list[LayerSource], list[asyncio.Task[None]]]:
        """Begin the downloads of what is missing; where each layer can be read."""
        chains = [str(chain) for chain in found.config.chain_ids]
        known = [self._store.layers.table.get(chain) is not None for chain in chains]
        loop = asyncio.get_running_loop()
        for layer, is_here in zip(found.manifest.layers, known, strict=True):
            status = "Already exists" if is_here else "Pulling fs layer"
            progress(Line(status, layer.digest.short, is_step=True))
        sources: list[LayerSource] = []
        tasks: list[asyncio.Task[None]] = []
        for layer, is_here in zip(found.manifest.layers, known, strict=True):
            meter = Meter(progress, layer.digest.short, layer.size)
            told = _ThreadMeter(loop, meter)
            limits = _limits(layer, found.repository.settings.limits)
            if is_here or self._store.content.has(layer.digest):
                sources.append(
                    LayerSource(
                        _open_blob(self._store, layer.digest),
                        layer,
                        limits,
                        (lambda: None) if is_here else told.complete,
                    )
                )
                continue
            joined = self._downloads.join(found.repository, layer, _listen(meter))
            arrival, task = await stack.enter_async_context(joined)
            tasks.append(task)

            way = _OnItsWay(arrival, abort, told)
            sources.append(LayerSource(way.open, layer, limits, way.finished))
        return sources, tasks

    def _unpack(
        self,
        found: RemoteImage,
        sources: Sequence[LayerSource],
        references: Sequence[Reference],
        digest: Reference,
        abort: _Abort,
    ) -> bool:
        """In a thread: unpack, then name everything. Whether each blob that came has an owner now."""
        store = self._store
        with store.layers.unpacking(found.config.diff_ids, sources, check=abort.check) as unpacked:
            abort.check()
            store.content.write(found.config.raw)
            store.content.write(found.manifest.raw)
            if found.index is not None and references:
                store.content.write(found.index.raw)
            before = store.index_digests(references)
            with store.database.transaction():
                store.layers.name(unpacked)
                store.record(
                    found.config,
                    manifest=found.manifest,
                    references=references,
                    digests=[digest],
                    index=found.index,
                )
            store.forget_blobs(before)
            return _is_tidy(unpacked, sources)


async def _together(
    threads: ThreadPoolExecutor,
    work: Callable[[], bool],
    tasks: Sequence[asyncio.Task[None]],
    abort: _Abort,
) -> bool:
    """The thread's result; a download that fails, or a cancellation, ends the thread first."""
    thread = asyncio.get_running_loop().run_in_executor(threads, work)
    try:
        waiting: set[asyncio.Future[Any]] = {thread, *tasks}
        while thread in waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for future in done:
                future.result()
        return await asyncio.shield(thread)
    except BaseException as error:
        abort.error = Cancelled("pull cancelled") if isinstance(error, asyncio.CancelledError) else error
        await asyncio.wait([thread])
        thread.exception() if not thread.cancelled() else None
        raise


@dataclass(frozen=True, slots=True)
class _OnItsWay:
    """A layer that is still being downloaded, as the unpacking thread sees it."""

    arrival: Arrival
    abort: _Abort
    meter: _ThreadMeter

    def open(self) -> BinaryIO:
        return cast("BinaryIO", self.arrival.open(self.abort.check, self.meter.extracting))

    def finished(self) -> None:
        self.arrival.require_whole(self.abort.check)
        self.meter.complete()


class _ThreadMeter:
    """A layer's meter, told from the unpacking thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, meter: Meter) -> None:
        self._loop = loop
        self._meter = meter

    def extracting(self, position: int) -> None:
        self._loop.call_soon_threadsafe(self._meter.moved, "Extracting", position)

    def complete(self) -> None:
        self._loop.call_soon_threadsafe(self._meter.step, "Pull complete")


def _listen(meter: Meter) -> Listener:
    def listener(status: str, current: int) -> None:
        meter.moved(status, current) if current else meter.step(status)

    return listener


def _open_blob(store: ImageStore, digest: Digest) -> Callable[[], BinaryIO]:
    return lambda: store.content.open(digest)


def _limits(layer: Descriptor, limits: RegistryLimits) -> Limits:
    """A layer may be as large as it likes up to a GiB; beyond, it must have come as something large, too."""
    stream_bytes = min(limits.layer_bytes, max(GIB, layer.size * limits.expansion))
    return Limits(
        max_bytes=limits.layer_bytes, max_entries=limits.layer_entries, max_stream_bytes=stream_bytes
    )


def _is_tidy(unpacked: Unpacked, sources: Sequence[LayerSource]) -> bool:
    return len(unpacked.records) == len(sources)
