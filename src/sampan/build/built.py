# SPDX-License-Identifier: Apache-2.0
"""A build whose target has been solved: what it can be made into."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sampan.archive.pack import pack_tree
from sampan.archive.writer import Writable
from sampan.build.cache import Result
from sampan.build.caches.using import export_caches
from sampan.build.export import build_config, config_extras, digest_layers, export_image
from sampan.build.files.view import open_view
from sampan.build.outgoing import Send, send_produced
from sampan.build.reporter import Reporter
from sampan.build.request import BuildRequest
from sampan.build.services import StepServices
from sampan.build.solver import SolvedStage
from sampan.image.model import Image
from sampan.image.saving import Export, save_archive
from sampan.image.store import ImageStore
from sampan.oci.config import ImageConfig, decode_image_config
from sampan.oci.platform import Platform
from sampan.oci.reference import Reference

ARCHIVES = ("tar", "docker", "oci")


@dataclass(frozen=True, slots=True)
class Built:
    """The target's tree and config; its results stay in the cache as long as the build goes on."""

    solved: SolvedStage
    services: StepServices
    images: ImageStore
    platform: Platform
    labels: Mapping[str, str]
    reporter: Reporter
    used: Sequence[Result] = ()

    async def export_caches(self, request: BuildRequest) -> None:
        """Write the caches that the request wants, of the results that the build used."""
        await export_caches(
            request.cache_to,
            request.transports,
            self.services,
            self.reporter,
            every=self.used,
            image=self.solved.base.layers,
        )

    async def record_image(self, tags: Sequence[str] = ()) -> Image:
        """The image, in the image store under its tags."""
        with self.reporter.vertex("exporting to image", self.solved.compiled.trailing) as vertex:
            image = await export_image(
                self.solved,
                self.services,
                self.images,
                platform=self.platform,
                labels=self.labels,
                tags=tuple(tags),
            )
            vertex.result = image.id.short
        return image

    async def config(self) -> ImageConfig:
        """The image's config, without an image."""
        layers = await digest_layers(self.solved, self.services)
        return decode_image_config(
            build_config(
                self.solved,
                layers,
                platform=self.platform,
                labels=self.labels,
                extra=config_extras(self.services, layers),
                created_ns=self.services.times.created_ns,
            )
        )

    @property
    def lowers(self) -> tuple[str, ...]:
        """The directories of the target's tree, uppermost first."""
        return self.services.lowers(self.solved.result)

    async def send_archive(self, form: str, references: Sequence[Reference], send: Send) -> Image | None:
        """Send the result as an archive: ``tar`` has its files, ``docker`` and ``oci`` the image, which is told."""
        if form == "tar":
            lowers = self.lowers or (self.services.workplace.empty,)
            mtime_ns = self.services.times.created_ns
            await self._send(
                f"exporting to client {form}ball",
                lambda out: pack_tree(lowers, "/", out, mtime_ns=mtime_ns),
                send,
            )
            return None
        image = await self.record_image()
        export = Export(image, tuple(references))
        what = f"exporting to {form} image format"
        await self._send(what, lambda out: save_archive(self.images, [export], out), send)
        return image

    async def _send(self, what: str, produce: Callable[[Writable], None], send: Send) -> None:
        with self.reporter.vertex(what) as vertex:
            size = await send_produced(produce, send)
            vertex.status("sending tarball", size, completed=True)

    @contextmanager
    def open_root(self) -> Iterator[int]:
        """The target's tree, merged."""
        with open_view(self.lowers, self.services.workplace.empty) as fd:
            yield fd
