# SPDX-License-Identifier: Apache-2.0
"""A build whose target has been solved: what it can be made into."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sampan.build.cache import Result
from sampan.build.export import build_config, config_extras, digest_layers, export_image
from sampan.build.files.view import open_view
from sampan.build.reporter import Reporter
from sampan.build.services import StepServices
from sampan.build.solver import SolvedStage
from sampan.image.model import Image
from sampan.image.store import ImageStore
from sampan.oci.config import ImageConfig, decode_image_config
from sampan.oci.platform import Platform


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

    async def record_image(self, tags: Sequence[str] = ()) -> Image:
        """The image, in the image store under its tags."""
        with self.reporter.vertex("exporting to image", self.solved.compiled.trailing) as vertex:
            image = await self.make_image(tags)
            vertex.result = image.id.short
        return image

    async def make_image(self, tags: Sequence[str] = ()) -> Image:
        """The same, while somebody else tells of it."""
        return await export_image(
            self.solved,
            self.services,
            self.images,
            platform=self.platform.plain,
            labels=self.labels,
            tags=tuple(tags),
        )

    async def config(self) -> ImageConfig:
        """The image's config, without an image."""
        layers = await digest_layers(self.solved, self.services)
        return decode_image_config(
            build_config(
                self.solved,
                layers,
                platform=self.platform.plain,
                labels=self.labels,
                extra=config_extras(self.services, layers),
                created_ns=self.services.times.created_ns,
            )
        )

    @property
    def lowers(self) -> tuple[str, ...]:
        """The directories of the target's tree, uppermost first."""
        return self.services.lowers(self.solved.result)

    @contextmanager
    def open_root(self) -> Iterator[int]:
        """The target's tree, merged."""
        with open_view(self.lowers, self.services.workplace.empty) as fd:
            yield fd
