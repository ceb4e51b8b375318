# SPDX-License-Identifier: Apache-2.0
"""One output of a product: into the image store, onto registries, or as bytes to whoever asked for it.

What clients are told of it is in `answers`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from sampan.archive.writer import Writable
from sampan.build.exports.answers import describe_image, describe_package, suitable_id
from sampan.build.exports.archives import write_files, write_layout
from sampan.build.exports.attached import Attestor
from sampan.build.exports.options import DOCKER, IMAGE, LOCAL, NOTHING, TAR, ExportOptions
from sampan.build.exports.packing import Package, keep_package, pack_product
from sampan.build.outgoing import Send, send_produced
from sampan.build.product import Product
from sampan.build.reporter import Vertex
from sampan.build.seams import Publisher
from sampan.errors import InvalidArgument, Unsupported
from sampan.image.store import ImageStore
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest
from sampan.oci.reference import Reference
from sampan.transport.checked import bytes_blob, file_blob
from sampan.transport.model import Blob, Sink


class Exporting:
    """All outputs of one build; `names` count before those that an output has itself."""

    def __init__(
        self,
        product: Product,
        *,
        names: Sequence[Reference] = (),
        publisher: Publisher | None = None,
        attestors: Sequence[Attestor] = (),
    ) -> None:
        self._product = product
        self._names = tuple(names)
        self._publisher = publisher
        self._attestors = tuple(attestors)
        self._images: ImageStore = product.images
        self.image_id = ""
        """What people may call the image: of those for several platforms the one that suits this machine."""

    async def export(self, options: ExportOptions, send: Send | None) -> dict[str, str]:
        """Make one output; archives and files are given to `send`."""
        if options.kind == NOTHING:
            return {}
        if options.kind == IMAGE or (options.kind == DOCKER and send is None):
            return await self.keep(options)
        if send is None:
            raise InvalidArgument(f"--output type={options.kind}: there is nobody to send it to")
        if options.kind in (TAR, LOCAL):
            await self._send("exporting to client tarball", options, send)
            return {}
        return await self._archive(options, send)

    async def keep(self, options: ExportOptions) -> dict[str, str]:
        """The image in the store under its names, and on the registries of them where asked."""
        names = self._names or options.names
        require_name(options, names)
        texts = [str(name) for name in names]
        if not (options.needs_manifest or self._product.is_split or self._attestors):
            image = await self._product.only.record_image(texts)
            self.image_id = str(image.id)
            return describe_image(image, texts)
        with self._product.reporter.vertex(
            "exporting to image", self._product.only.solved.compiled.trailing
        ) as vertex:
            package = await pack_product(self._product, options, self._attestors, vertex)
            kept = [] if options.by_digest else texts
            await self._product.services.blocking.run(keep_package, self._images, package, kept)
            if options.push:
                await self._push(names, package, vertex, by_digest=options.by_digest)
            vertex.result = package.root.digest.short
        self.image_id = suitable_id(package)
        return describe_package(package, texts)

    async def _push(
        self, names: Sequence[Reference], package: Package, vertex: Vertex, *, by_digest: bool
    ) -> None:
        if self._publisher is None:
            raise Unsupported("push: this builder reaches no registry")

        def tell(line: str) -> None:
            vertex.status(line, 0, completed=True)

        for name in names:
            if by_digest:
                images = [self._images.get(packed.image.id) for packed in package.images]
                await self._publisher.publish_digest(name, images, package.index, tell)
            else:
                await self._publisher.publish(name, tell)
            tell(f"pushing manifest for {name}")

    async def _archive(self, options: ExportOptions, send: Send) -> dict[str, str]:
        names = self._names or options.names
        is_docker = options.kind == DOCKER
        if is_docker:
            options = replace(options, docker_types=True)

        async def write(package: Package) -> int:
            def produce(out: Writable) -> None:
                write_layout(self._images, package, names, out, docker=is_docker)

            return await send_produced(produce, send)

        return await self._send_package(options, write)

    async def export_layout(self, options: ExportOptions, sink: Sink) -> dict[str, str]:
        """Put all of an image's blobs into a layout that somebody else keeps, and names it there."""

        async def write(package: Package) -> int:
            size = 0
            with self._images.content.lease(package.blobs):
                for digest, raw in package.blobs.items():
                    blob = self._blob(digest, raw)
                    await sink.put(blob, lambda _: None)
                    size += blob.descriptor.size
            return size

        return await self._send_package(options, write)

    def _blob(self, digest: Digest, raw: bytes | None) -> Blob:
        if raw is not None:
            return bytes_blob(Descriptor("", digest, len(raw)), raw)
        content = self._images.content
        return file_blob(Descriptor("", digest, content.size(digest)), lambda: content.open(digest))

    async def _send_package(
        self, options: ExportOptions, write: Callable[[Package], Awaitable[int]]
    ) -> dict[str, str]:
        """Pack the images, have them written, and forget what was made for that only."""
        before = {str(image.id) for image in self._images.list()}
        with self._product.reporter.vertex(f"exporting to {options.kind} image format") as vertex:
            package = await pack_product(self._product, options, self._attestors, vertex)
            try:
                size = await write(package)
            finally:
                await self._product.services.blocking.run(self._forget, package, before)
            vertex.status("sending tarball", size, completed=True)
        self.image_id = suitable_id(package)
        return describe_package(package, [str(name) for name in self._names or options.names])

    def _forget(self, package: Package, before: set[str]) -> None:
        """The images were recorded for the archive only, and so may blobs have been made."""
        passing = {str(packed.image.id) for packed in package.images} - before
        if passing:
            self._images.prune(lambda image: str(image.id) in passing)
        self._images.forget_blobs(package.blobs)

    async def _send(self, what: str, options: ExportOptions, send: Send) -> None:
        with self._product.reporter.vertex(what) as vertex:
            size = await send_produced(lambda out: write_files(self._product, options, out), send)
            vertex.status("sending tarball", size, completed=True)


def require_name(options: ExportOptions, names: Sequence[Reference]) -> None:
    """What is pushed has a name, of the build or of its own."""
    if options.push and not (names or options.names):
        raise InvalidArgument("tag is needed when pushing to registry")
