# SPDX-License-Identifier: Apache-2.0
"""Copy an image from a source to a sink.

Holds: blobs before the manifests that name them; what is there already is not moved; a manifest's bytes are written as
they were read unless its format or a layer's compression has to be another, and then that is said.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from sampan.errors import InvalidArgument
from sampan.oci import media_type
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest
from sampan.oci.document import InvalidDocument
from sampan.oci.index import Index, decode_index, encode_index, is_attestation
from sampan.oci.manifest import Manifest, decode_manifest
from sampan.oci.media_type import Compression
from sampan.oci.platform import Platform, host_platform
from sampan.oci.raw_manifest import RawManifest
from sampan.registry.manifests import ManifestRefused
from sampan.registry.settings import Limits
from sampan.transport.conversion import Plan, Wish, convert_manifest, is_image, plan_conversion
from sampan.transport.model import Blob, Report, Sink, Source
from sampan.transport.progress import BlobMeter
from sampan.transport.recompression import recompress

MAX_DEPTH = 4
_PARALLEL = 6
_COSIGN_TAGS = ("sig", "att", "sbom")


@dataclass(frozen=True, slots=True)
class Options:
    """`everything`: all platforms of an index; `platforms`: these; neither: this machine's image alone."""

    everything: bool = False
    platforms: tuple[Platform, ...] = ()
    wish: Wish = field(default_factory=Wish)
    referrers: bool = False
    parallel: int = _PARALLEL


async def copy_image(
    source: Source, sink: Sink, *, options: Options, limits: Limits, report: Report
) -> RawManifest:
    """Copy, and give the manifest or index that the sink's name stands for now."""
    copier = _Copier(source, sink, options, limits, report)
    root = await copier.choose()
    try:
        written = await copier.write_root(root)
    except ManifestRefused:
        wish = options.wish
        if wish.format or wish.keeps_digests or (_is_docker(root) and source.keeps_digests):
            raise
        report({"status": "The registry refuses OCI manifests: writing Docker's schema 2"})
        copier.wish = replace(wish, format=media_type.DOCKER_MANIFEST)
        written = await copier.write_root(root)
    await sink.finish()
    return written


async def copy_below(
    source: Source, sink: Sink, document: RawManifest, *, limits: Limits, report: Report
) -> None:
    """All that a manifest or index names, as it is; the document itself is the caller's to write."""
    options = Options(everything=True, wish=Wish(keeps_digests=True))
    await _Copier(source, sink, options, limits, report).write_below(document)


def _is_docker(root: RawManifest) -> bool:
    return root.media_type in (media_type.DOCKER_MANIFEST, media_type.DOCKER_LIST)


class _Copier:
    def __init__(self, source: Source, sink: Sink, options: Options, limits: Limits, report: Report) -> None:
        self.wish = options.wish
        self._source = source
        self._sink = sink
        self._options = options
        self._limits = limits
        self._report = report
        self._slots = asyncio.Semaphore(options.parallel)
        self._blobs: dict[tuple[Digest, Compression | None], asyncio.Task[Descriptor]] = {}

    async def choose(self) -> RawManifest:
        """The root, or of an index the one image that is wanted."""
        root = await self._source.root()
        if self._options.everything or len(self._options.platforms) > 1:
            if root.is_index and not self._sink.abilities.indexes:
                raise InvalidArgument(
                    "that place takes one image, not all of an index", hint="leave --all out"
                )
            return root
        wanted = self._options.platforms[0] if self._options.platforms else None
        return await self._one_image(root, wanted)

    async def write_root(self, root: RawManifest) -> RawManifest:
        """Everything, the root last."""
        written = await self._prepare(root, depth=0)
        await self._sink.put_root(written)
        if self._options.referrers:
            await self._copy_referrers(root, written)
        return written

    async def write_below(self, document: RawManifest) -> None:
        """Everything but the document."""
        await self._prepare(document, depth=0)

    async def _one_image(self, document: RawManifest, wanted: Platform | None) -> RawManifest:
        for _ in range(MAX_DEPTH):
            if not document.is_index:
                return document
            chosen = decode_index(document.raw, document.media_type).select(wanted or host_platform())
            document = await self._source.manifest(chosen.digest)
        raise InvalidDocument("index leads to indexes of indexes of indexes")

    async def _prepare(self, document: RawManifest, *, depth: int) -> RawManifest:
        """Everything that a document names is at the sink; the document as it is to be written."""
        if depth > MAX_DEPTH:
            raise InvalidDocument("index leads to indexes of indexes of indexes")
        if document.is_index:
            return await self._prepare_index(document, depth)
        manifest = decode_manifest(document.raw, document.media_type)
        if len(manifest.layers) > self._limits.layers:
            raise InvalidDocument(
                f"manifest has {len(manifest.layers)} layers, more than the limit of {self._limits.layers}",
                hint="the limit is max-layers in the configuration",
            )
        plan = plan_conversion(
            manifest, self.wish, self._sink.abilities, is_made_here=not self._source.keeps_digests
        )
        layers = await self._copy_blobs(manifest, plan)
        return (
            RawManifest(convert_manifest(manifest, layers, plan), plan.media_type)
            if plan.is_changed
            else document
        )

    async def _copy_blobs(self, manifest: Manifest, plan: Plan) -> list[Descriptor]:
        """Layers, each once, and the config; several at a time."""
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    self._task(group, layer, to, plan)
                    for layer, to in zip(manifest.layers, plan.layers, strict=True)
                ]
                self._task(group, manifest.config, None, plan)
        except BaseExceptionGroup as failures:
            raise _first(failures) from failures
        docker = plan.is_docker if plan.is_changed and is_image(manifest) else None
        return [_retyped(task.result(), docker=docker) for task in tasks]

    def _task(
        self, group: asyncio.TaskGroup, blob: Descriptor, to: Compression | None, plan: Plan
    ) -> asyncio.Task[Descriptor]:
        key = (blob.digest, to)
        known = self._blobs.get(key)
        if known is None or (known.done() and (known.cancelled() or known.exception() is not None)):
            known = self._blobs[key] = group.create_task(self._move(blob, to, docker=plan.is_docker))
        return known

    async def _move(self, descriptor: Descriptor, to: Compression | None, *, docker: bool) -> Descriptor:
        async with self._slots:
            blob = self._source.blob(descriptor)
            if to is None:
                await self._put(blob)
                return descriptor
            self._report(
                {"status": f"Compressing: {to}", "id": descriptor.digest.short, "progressDetail": {}}
            )
            changed = await recompress(blob, to, self._limits, docker=docker)
            try:
                await self._put(changed.blob)
            finally:
                changed.close()
            return replace(changed.blob.descriptor, annotations=descriptor.annotations)

    async def _put(self, blob: Blob) -> None:
        meter = BlobMeter(self._report, blob.descriptor)
        if await self._sink.has(blob.descriptor):
            return meter.step("Already exists")
        meter.step("Copying")
        meter.step(await self._sink.put(blob, meter.moved))
        return None

    async def _prepare_index(self, document: RawManifest, depth: int) -> RawManifest:
        """Each child at the sink; the index as it was unless a child has changed or been left out."""
        index = decode_index(document.raw, document.media_type)
        children: list[Descriptor] = []
        for child in self._chosen(index):
            came = await self._source.manifest(child.digest)
            written = await self._prepare(came, depth=depth + 1)
            await self._sink.put_manifest(written)
            if self._options.referrers:
                await self._copy_referrers(came, written)
            same = written.digest == child.digest
            changed = replace(written.descriptor, platform=child.platform, annotations=child.annotations)
            children.append(child if same else changed)
        kind = self._index_type(document)
        if tuple(children) == index.manifests and kind == document.media_type:
            return document
        if self.wish.keeps_digests:
            raise InvalidArgument(
                f"index {document.digest} would have to be changed, and digests are to be kept"
            )
        docker = kind == media_type.DOCKER_LIST
        annotations = None if docker else index.annotations
        return RawManifest(encode_index(children, docker=docker, annotations=annotations), kind)

    def _chosen(self, index: Index) -> Sequence[Descriptor]:
        """All, or those for the wanted platforms, with what is attested of them."""
        if not self._options.platforms:
            return index.manifests
        digests = {str(index.select(platform).digest) for platform in self._options.platforms}
        return [
            one for one in index.manifests if str(one.digest) in digests or is_attestation(one, of=digests)
        ]

    def _index_type(self, document: RawManifest) -> str:
        if not self.wish.format:
            return document.media_type
        docker = self.wish.format == media_type.DOCKER_MANIFEST
        return media_type.DOCKER_LIST if docker else media_type.OCI_INDEX

    async def _copy_referrers(self, subject: RawManifest, written: RawManifest) -> None:
        """Signatures and attestations, as the registry lists them and as cosign tags them."""
        if written.digest != subject.digest:
            self._report({"status": f"{subject.digest.short} was changed: what refers to it is not copied"})
            return
        for found in await self._source.referrers(subject.digest):
            document = await self._source.manifest(found.digest)
            await self._sink.put_manifest(await self._as_it_is(document))
            self._report({"status": f"Copied {found.artifact_type or 'referrer'} {found.digest.short}"})
        stem = f"{subject.digest.algorithm}-{subject.digest.hex}"
        for kind in _COSIGN_TAGS:
            tagged = await self._source.tagged(f"{stem}.{kind}")
            if tagged is not None:
                await self._sink.put_manifest(await self._as_it_is(tagged), f"{stem}.{kind}")
                self._report({"status": f"Copied {stem[:19]}….{kind}"})

    async def _as_it_is(self, document: RawManifest) -> RawManifest:
        """A referrer's blobs at the sink."""
        if document.is_index:
            for child in decode_index(document.raw, document.media_type).manifests:
                await self._sink.put_manifest(await self._as_it_is(await self._source.manifest(child.digest)))
            return document
        manifest = decode_manifest(document.raw, document.media_type)
        unchanged = Plan(manifest.media_type, (None,) * len(manifest.layers), is_changed=False)
        await self._copy_blobs(manifest, unchanged)
        return document


def _retyped(layer: Descriptor, *, docker: bool | None) -> Descriptor:
    """A layer's media type in the words of its new manifest; None leaves it."""
    if docker is None:
        return layer
    compression = media_type.layer_compression(layer.media_type)
    assert compression is not None
    return replace(layer, media_type=media_type.layer_type(compression, docker=docker))


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """The others are its consequences, or have the same cause."""
    found: BaseException = failures
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found
