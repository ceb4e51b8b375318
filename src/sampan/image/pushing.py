# SPDX-License-Identifier: Apache-2.0
"""Push: an image of the store to a registry.

Holds: an image that was pulled is pushed with the manifest that it came with, so its digest stays. A layer that was
made here gets its blob when it is first pushed, and keeps it; so does the image its manifest: the next push
compresses nothing and has the same digests. What the registry has, or can take from another repository of its own,
is not sent. A name that stands for several platforms' images is pushed as their index: its own bytes, if all that it
names is here. A registry that refuses OCI's manifests gets Docker's schema 2, which has other digests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from sampan.errors import NotFound
from sampan.image.attachments import artifact_type_of, iter_blobs, subject_of
from sampan.image.model import Image, IndexHere
from sampan.image.packaging import (
    Platforms,
    as_platforms,
    as_schema_2,
    find_platforms,
    is_zstd,
    kept_manifest,
    make_manifest,
)
from sampan.image.store import ImageStore
from sampan.image.transfer import Line, Meter, Progress, ignore
from sampan.image.variants import choose_variant
from sampan.oci import media_type
from sampan.oci.descriptor import Descriptor, decode_descriptor
from sampan.oci.digest import Digest
from sampan.oci.manifest import Manifest
from sampan.oci.platform import Platform
from sampan.oci.reference import Reference, parse_name
from sampan.registry.credentials import ANONYMOUS, Credentials
from sampan.registry.manifests import ManifestRefused
from sampan.registry.repository import Registries, Repository

_THREADS = 2


@dataclass(frozen=True, slots=True)
class Pushed:
    """What the tag stands for on the registry now."""

    tag: str
    descriptor: Descriptor


@dataclass(frozen=True, slots=True)
class _Sending:
    """One push under way: where to, by what name, and who is told."""

    repository: Repository
    reference: Reference
    progress: Progress


@dataclass(frozen=True, slots=True)
class _PushedImage:
    """The manifest to keep, and the one that the registry has: the same unless it refused that."""

    kept: Manifest
    written: Manifest


class Pusher:
    """All pushes of one engine."""

    def __init__(self, store: ImageStore, registries: Registries) -> None:
        self._store = store
        self._registries = registries
        self._slots = asyncio.Semaphore(registries.settings.uploads)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="compress")

    async def push(
        self,
        reference: Reference,
        *,
        platform: Platform | None = None,
        credentials: Credentials = ANONYMOUS,
        progress: Progress = ignore,
    ) -> Pushed:
        """Push the image of this tag; without a platform, those for all platforms that are here."""
        image = self._find(reference, platform)
        repository = self._registries.open(reference, credentials, push=True)[-1]
        sending = _Sending(repository, reference, progress)
        name = reference.tag or ""
        platforms = None
        if platform is None:
            platforms = await asyncio.to_thread(find_platforms, self._store, reference)
        if platforms is None:
            pushed = await self._push_image(image, sending, name)
            await asyncio.to_thread(self._record, image, pushed, reference)
            descriptor = pushed.written.descriptor
        else:
            descriptor = await self._push_index(platforms, sending, name)
        progress(Line(f"{name}: digest: {descriptor.digest} size: {descriptor.size}"))
        progress(Line("", aux={"Tag": name, "Digest": str(descriptor.digest), "Size": descriptor.size}))
        return Pushed(name, descriptor)

    async def push_digest(
        self,
        name: Reference,
        images: Sequence[Image],
        index: IndexHere | None,
        *,
        credentials: Credentials = ANONYMOUS,
        progress: Progress = ignore,
    ) -> Descriptor:
        """Push images that have their manifests, and the index of them, without a tag."""
        repository = self._registries.open(name, credentials, push=True)[-1]
        sending = _Sending(repository, name, progress)
        if index is not None:
            platforms = await asyncio.to_thread(as_platforms, self._store, index, images)
            return await self._push_index(platforms, sending, "")
        pushed = await self._push_image(images[0], sending, "")
        await asyncio.to_thread(self._record, images[0], pushed, name)
        return pushed.written.descriptor

    def tags(self, name: Reference) -> list[Reference]:
        """The tags that a repository has here."""
        known = (parse_name(text) for image in self._store.list() for text in image.references)
        return sorted(reference for reference in known if reference.name == name.name)

    def close(self) -> None:
        """Wait for no thread."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _find(self, reference: Reference, platform: Platform | None) -> Image:
        try:
            image = self._store.resolve(str(reference))
        except NotFound:
            raise NotFound(
                f"An image does not exist locally with the tag: {reference.familiar_name}"
            ) from None
        return (
            image if platform is None else choose_variant(self._store, image, reference.familiar(), platform)
        )

    async def _push_image(self, image: Image, sending: _Sending, name: str) -> _PushedImage:
        """One image's blobs and manifest; the manifest by its tag, or without one by its digest."""
        config = Descriptor.of(image.config.raw, media_type.OCI_CONFIG)
        with self._store.content.lease({config.digest, *_manifest_digests(image)}):
            manifest = await self._send_layers(image, sending)
            await self._send(sending, manifest.config, (), Meter(ignore, "", manifest.config.size))
            repository = sending.repository
            try:
                await repository.put_manifest(name or str(manifest.digest), manifest.raw, manifest.media_type)
            except ManifestRefused:
                if manifest.media_type == media_type.DOCKER_MANIFEST:
                    raise
                sending.progress(Line("The registry refuses OCI manifests: pushing Docker's schema 2"))
                older = await self._as_schema_2(image, manifest, sending)
                await repository.put_manifest(name or str(older.digest), older.raw, older.media_type)
                return _PushedImage(manifest, older)
        return _PushedImage(manifest, manifest)

    async def _push_index(self, platforms: Platforms, sending: _Sending, name: str) -> Descriptor:
        """Each image that is here, by digest; then the index of them."""
        if not platforms.is_whole:
            sending.progress(
                Line("Not all platforms of the image are here: pushing an index of those that are")
            )
        children = []
        for child in platforms.index.manifests:
            if (attestation := platforms.attached.get(child.digest)) is not None:
                await self._push_attestation(attestation, sending)
                children.append(child)
            image = platforms.images.get(child.digest)
            if image is None:
                continue
            pushed = await self._push_image(image, sending, "")
            same = pushed.written.digest == child.digest
            described = replace(pushed.written.descriptor, platform=child.platform)
            children.append(child if same else described)
        docker = any(child.media_type == media_type.DOCKER_MANIFEST for child in children)
        raw, kind = platforms.encode(children)
        try:
            await sending.repository.put_manifest(name or str(Digest.of(raw)), raw, kind)
        except ManifestRefused:
            if not docker or kind == media_type.DOCKER_LIST:
                raise
            raw, kind = platforms.encode(children, docker=True)
            await sending.repository.put_manifest(name or str(Digest.of(raw)), raw, kind)
        return Descriptor.of(raw, kind)

    async def _push_attestation(self, manifest: Manifest, sending: _Sending) -> None:
        for blob in iter_blobs(manifest):
            await self._send(sending, blob, (), Meter(ignore, "", blob.size))
        subject = subject_of(manifest)
        if subject is None:
            name = str(manifest.digest)
            await sending.repository.put_manifest(name, manifest.raw, manifest.media_type)
        else:
            described = replace(manifest.descriptor, artifact_type=artifact_type_of(manifest))
            await sending.repository.put_referrer(subject, manifest.raw, described)

    async def _as_schema_2(self, image: Image, manifest: Manifest, sending: _Sending) -> Manifest:
        """The manifest in Docker's form; layers that it cannot name are sent once more, as gzip."""
        layers = []
        for blob, chain in zip(manifest.layers, image.chain_ids, strict=True):
            if is_zstd(blob):
                pack = self._store.layers.pack_gzip
                packed = await asyncio.get_running_loop().run_in_executor(self._threads, pack, str(chain))
                await self._send(
                    sending, packed, (), Meter(sending.progress, _short(str(chain)), packed.size)
                )
                await asyncio.to_thread(self._store.forget_blobs, {packed.digest})
                blob = packed
            layers.append(blob)
        return as_schema_2(manifest, layers)

    async def _send_layers(self, image: Image, sending: _Sending) -> Manifest:
        """Every layer on the registry; the manifest that names them."""
        kept = kept_manifest(self._store, image)
        chains = [str(chain) for chain in image.chain_ids]
        for chain in chains:
            sending.progress(Line("Preparing", _short(chain), is_step=True))
        neighbours = await asyncio.to_thread(self._neighbours, sending)
        sent: dict[str, asyncio.Task[Descriptor]] = {}
        with self._store.layers.claims.pinned(chains):
            try:
                async with asyncio.TaskGroup() as group:
                    for position, chain in enumerate(chains):
                        blob = kept.layers[position] if kept else None
                        work = self._send_layer(chain, blob, sending, neighbours)
                        sent[chain] = group.create_task(work)
            except BaseExceptionGroup as failures:
                raise _first(failures) from failures
        if kept is not None:
            return kept
        blobs = [sent[chain].result() for chain in chains]
        return await asyncio.to_thread(make_manifest, self._store, image, blobs)

    async def _send_layer(
        self,
        chain: str,
        blob: Descriptor | None,
        sending: _Sending,
        neighbours: Mapping[Digest, Sequence[str]],
    ) -> Descriptor:
        loop = asyncio.get_running_loop()
        if blob is None:
            blob = await loop.run_in_executor(self._threads, self._store.layers.ensure_blob, chain)
        meter = Meter(sending.progress, _short(chain), blob.size)
        async with self._slots:
            await self._send(sending, blob, neighbours.get(blob.digest, ()), meter)
        return blob

    async def _send(
        self, sending: _Sending, blob: Descriptor, neighbours: Sequence[str], meter: Meter
    ) -> None:
        """One blob: there already, mounted, or uploaded."""
        repository = sending.repository
        if await repository.has(blob.digest):
            return meter.step("Layer already exists")
        for neighbour in neighbours:
            if await repository.mount(blob, neighbour):
                return meter.step(f"Mounted from {neighbour}")
        content = self._store.content
        with content.lease([blob.digest]):
            await repository.upload(
                blob, lambda: content.open(blob.digest), lambda sent: meter.moved("Pushing", sent)
            )
        return meter.step("Pushed")

    def _neighbours(self, sending: _Sending) -> dict[Digest, list[str]]:
        """Other repositories of this registry that are known to have a blob."""
        found: dict[Digest, list[str]] = {}
        reference = sending.reference
        if not sending.repository.endpoint.is_named:
            return found
        for image in self._store.list():
            names = {parse_name(text) for text in image.repo_digests}
            near = {x.repository for x in names if x.registry == reference.registry} - {reference.repository}
            manifest = kept_manifest(self._store, image) if near else None
            for layer in manifest.layers if manifest else ():
                found.setdefault(layer.digest, []).extend(sorted(near))
        return found

    def _record(self, image: Image, pushed: _PushedImage, reference: Reference) -> None:
        """Keep the manifest, and where the image is now known to be, unless it was removed meanwhile."""
        with self._store.database.transaction():
            if self._store.find(str(image.id)) is not None:
                digests = [reference.with_digest(pushed.written.digest)]
                self._store.record(image.config, manifest=pushed.kept, digests=digests)


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """The others are its consequences, or have the same cause."""
    found: BaseException = failures
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found


def _manifest_digests(image: Image) -> set[Digest]:
    return {decode_descriptor(dict(image.manifest), "manifest").digest} if image.manifest else set()


def _short(chain: str) -> str:
    return chain.partition(":")[2][:12]
