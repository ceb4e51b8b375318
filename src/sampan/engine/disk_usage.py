# SPDX-License-Identifier: Apache-2.0
"""What images, containers, volumes and the build cache take on disk.

Source: Engine API v1.51, SystemDataUsage. Walking the folders is done in threads, and requests that come while
one is answered get its answer: it is the same work.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from sampan.engine.inspect import summarise_container
from sampan.engine.usage import tree_size
from sampan.errors import InvalidArgument

if TYPE_CHECKING:
    from sampan.engine.engine import Engine
    from sampan.engine.model import Container

KINDS = ("image", "container", "volume", "build-cache")


class DiskUsage:
    """Counts on demand; each kind once at a time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._counting: dict[frozenset[str], asyncio.Task[dict[str, Any]]] = {}

    async def count(self, kinds: Collection[str] = ()) -> dict[str, Any]:
        """SystemDataUsage of the kinds wanted, or of all."""
        for kind in kinds:
            if kind not in KINDS:
                raise InvalidArgument(f"unknown object type: {kind}")
        wanted = frozenset(kinds or KINDS)
        counting = self._counting.get(wanted)
        if counting is None:
            counting = self._engine.background.spawn(self._count(wanted), name="disk usage")
            self._counting[wanted] = counting
            counting.add_done_callback(lambda _: self._counting.pop(wanted, None))
        return await asyncio.shield(counting)

    async def _count(self, wanted: Collection[str]) -> dict[str, Any]:
        usage: dict[str, Any] = {}
        if "image" in wanted:
            usage |= await asyncio.to_thread(self._images)
        if "container" in wanted:
            usage["Containers"] = [await self._container(c) for c in self._engine.containers.all()]
        if "volume" in wanted:
            usage["Volumes"] = [await self._volume(v) for v in self._engine.volumes.describe_all()]
        if "build-cache" in wanted:
            usage["BuildCache"] = await asyncio.to_thread(self._engine.builder.describe_cache)
        return usage

    def _images(self) -> dict[str, Any]:
        engine = self._engine
        return {
            "LayersSize": engine.images.layers_size(),
            "Images": [
                summary | {"Containers": len(engine.containers.users_of_image(summary["Id"]))}
                for summary in engine.images.summaries(shared_sizes=True)
            ],
        }

    async def _container(self, container: Container) -> dict[str, Any]:
        sizes = await self._engine.container_sizes(container)
        return summarise_container(container, now_ns=time.time_ns()) | sizes

    async def _volume(self, volume: dict[str, Any]) -> dict[str, Any]:
        size = await asyncio.to_thread(tree_size, volume["Mountpoint"])
        users = len(self._engine.containers.users_of_volume(volume["Name"]))
        return volume | {"UsageData": {"Size": size, "RefCount": users}}
