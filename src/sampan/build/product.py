# SPDX-License-Identifier: Apache-2.0
"""What a build has made: the target, for one platform or for each of several."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sampan.build.built import Built
from sampan.build.cache import Result
from sampan.build.caches.using import export_caches
from sampan.build.reporter import Reporter
from sampan.build.request import BuildRequest
from sampan.build.services import StepServices
from sampan.image.store import ImageStore


@dataclass(frozen=True, slots=True)
class Product:
    """The target of each platform, in the order they were asked for; `is_split`: it is to be an index of them."""

    parts: tuple[Built, ...]
    is_split: bool = False

    def __iter__(self) -> Iterator[Built]:
        return iter(self.parts)

    @property
    def only(self) -> Built:
        """The first platform's: the only one where `is_split` is not."""
        return self.parts[0]

    @property
    def services(self) -> StepServices:
        """What all parts have at hand."""
        return self.only.services

    @property
    def images(self) -> ImageStore:
        """Where images go."""
        return self.only.images

    @property
    def reporter(self) -> Reporter:
        """Who is told of what goes on."""
        return self.only.reporter

    async def export_caches(self, request: BuildRequest) -> None:
        """Write the caches that the request wants, of the results that the build used."""
        await export_caches(
            request.cache_to,
            request.transports,
            self.services,
            self.reporter,
            every=_each_once(part.used for part in self),
            image=_each_once(part.solved.base.layers for part in self),
        )


def _each_once(lists: Iterable[Sequence[Result]]) -> list[Result]:
    return list({result.key: result for results in lists for result in results}.values())
