# SPDX-License-Identifier: Apache-2.0
"""Push: an image of the store to a registry.

Holds: an image that was pulled is pushed with the manifest that it came with, so its digest stays. A layer that was
made here gets its blob when it is first pushed, and keeps it; so does the image its manifest: the next push
compresses nothing and has the same digests. What the registry has, or can take from another repository of its own,
is not sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from sampan.errors import NotFound, SampanError
from sampan.image.model import Image
from sampan.image.store import ImageStore
from sampan.image.transfer import Line, Meter, Progress, ignore
from sampan.oci import media_type
from sampan.oci.descriptor import Descriptor, decode_descriptor
from sampan.oci.digest import Digest
from sampan.oci.manifest import Manifest, decode_manifest, encode_manifest
from sampan.oci.platform import Platform, match_rank
from sampan.oci.reference import Reference, parse_name
from sampan.registry.credentials import ANONYMOUS, Credentials
from sampan.registry.repository import Registries, Repository

_THREADS = 2

_OCI_TYPES = {
    media_type.DOCKER_LAYER: media_type.OCI_LAYER,
    media_type.DOCKER_LAYER_GZIP: media_type.OCI_LAYER_GZIP,
    media_type.DOCKER_LAYER_ZSTD: media_type.OCI_LAYER_ZSTD,
}


@dataclass(frozen=True, slots=True)
class Pushed:
    """What the tag stands for on the registry now."""

    tag: str
    descriptor: Descriptor


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
        """Push the image of this tag."""
        image = self._find(reference, platform)
        repository = self._registries.open(reference, credentials, push=True)[-1]
        config = Descriptor.of(image.config.raw, media_type.OCI_CONFIG)
        with self._store.content.lease({config.digest, *_manifest_digests(image)}):
            manifest = await self._send_layers(image, repository, reference, progress)
            await self._send(repository, manifest.config, (), Meter(ignore, "", manifest.config.size))
            name = reference.tag or str(manifest.digest)
            await repository.put_manifest(name, manifest.raw, manifest.media_type)
        await asyncio.to_thread(self._record, image, manifest, reference)
        size = len(manifest.raw)
        progress(Line(f"{name}: digest: {manifest.digest} size: {size}"))
        aux = {"Tag": name, "Digest": str(manifest.digest), "Size": size}
        progress(Line("", aux=aux))
        return Pushed(name, manifest.descriptor)

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
        if platform is not None and match_rank(platform, image.config.platform) is None:
            raise NotFound(
                f"image with reference {reference.familiar()} was found but does not provide the specified platform"
                f" ({platform})"
            )
        return image

    async def _send_layers(
        self, image: Image, repository: Repository, reference: Reference, progress: Progress
    ) -> Manifest:
        """Every layer on the registry; the manifest that names them."""
        kept = self._kept_manifest(image)
        chains = [str(chain) for chain in image.chain_ids]
        for chain in chains:
            progress(Line("Preparing", _short(chain), is_step=True))
        neighbours = await asyncio.to_thread(self._neighbours, repository, reference)
        sent: dict[str, asyncio.Task[Descriptor]] = {}
        with self._store.layers.claims.pinned(chains):
            try:
                async with asyncio.TaskGroup() as group:
                    for position, chain in enumerate(chains):
                        blob = kept.layers[position] if kept else None
                        work = self._send_layer(chain, blob, repository, neighbours, progress)
                        sent[chain] = group.create_task(work)
            except BaseExceptionGroup as failures:
                raise _first(failures) from failures
        if kept is not None:
            return kept
        blobs = [_as_oci(sent[chain].result()) for chain in chains]
        raw = encode_manifest(Descriptor.of(image.config.raw, media_type.OCI_CONFIG), blobs)
        await asyncio.to_thread(self._store.content.write, raw)
        return decode_manifest(raw)

    async def _send_layer(
        self,
        chain: str,
        blob: Descriptor | None,
        repository: Repository,
        neighbours: Mapping[Digest, Sequence[str]],
        progress: Progress,
    ) -> Descriptor:
        loop = asyncio.get_running_loop()
        if blob is None:
            blob = await loop.run_in_executor(self._threads, self._store.layers.ensure_blob, chain)
        meter = Meter(progress, _short(chain), blob.size)
        async with self._slots:
            await self._send(repository, blob, neighbours.get(blob.digest, ()), meter)
        return blob

    async def _send(
        self, repository: Repository, blob: Descriptor, neighbours: Sequence[str], meter: Meter
    ) -> None:
        """One blob: there already, mounted, or uploaded."""
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

    def _kept_manifest(self, image: Image) -> Manifest | None:
        """The manifest that the image came with, or that an earlier push made, if all it names is here."""
        if image.manifest is None:
            return None
        described = decode_descriptor(dict(image.manifest), "manifest")
        try:
            manifest = decode_manifest(self._store.content.read(described.digest), described.media_type)
        except SampanError:
            return None
        is_whole = len(manifest.layers) == len(image.chain_ids)
        return (
            manifest if is_whole and all(self._store.content.has(x.digest) for x in manifest.layers) else None
        )

    def _neighbours(self, repository: Repository, reference: Reference) -> dict[Digest, list[str]]:
        """Other repositories of this registry that are known to have a blob."""
        found: dict[Digest, list[str]] = {}
        if not repository.endpoint.is_named:
            return found
        for image in self._store.list():
            names = {parse_name(text) for text in image.repo_digests}
            near = {x.repository for x in names if x.registry == reference.registry} - {reference.repository}
            manifest = self._kept_manifest(image) if near else None
            for layer in manifest.layers if manifest else ():
                found.setdefault(layer.digest, []).extend(sorted(near))
        return found

    def _record(self, image: Image, manifest: Manifest, reference: Reference) -> None:
        """Keep the manifest, and where the image is now known to be, unless it was removed meanwhile."""
        with self._store.database.transaction():
            if self._store.find(str(image.id)) is not None:
                digests = [reference.with_digest(manifest.digest)]
                self._store.record(image.config, manifest=manifest, digests=digests)


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """The others are its consequences, or have the same cause."""
    found: BaseException = failures
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found


def _manifest_digests(image: Image) -> set[Digest]:
    return {decode_descriptor(dict(image.manifest), "manifest").digest} if image.manifest else set()


def _as_oci(blob: Descriptor) -> Descriptor:
    """A layer as an OCI manifest has to speak of it, wherever it came from."""
    return replace(blob, media_type=_OCI_TYPES.get(blob.media_type, blob.media_type))


def _short(chain: str) -> str:
    return chain.partition(":")[2][:12]
