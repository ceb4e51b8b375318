# SPDX-License-Identifier: Apache-2.0
"""Deleting what a removed object leaves on disk, behind the answer to the client.

Whatever a killed engine did not get to is found by its missing record and deleted at the next start.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from typing import TYPE_CHECKING

from sampan.errors import SampanError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sampan.engine.model import Container
    from sampan.engine.tasks import Background
    from sampan.engine.volumes import Volumes
    from sampan.paths import Roots
    from sampan.shim.control import LauncherControl
    from sampan.snapshot.store import SnapshotStore

logger = logging.getLogger(__name__)


class Trash:
    """Takes what nobody names any more."""

    def __init__(
        self,
        roots: Roots,
        launcher: LauncherControl,
        snapshots: SnapshotStore,
        volumes: Volumes,
        background: Background,
    ) -> None:
        self._roots = roots
        self._launcher = launcher
        self._snapshots = snapshots
        self._volumes = volumes
        self._background = background

    def container(self, container: Container, *, volumes: Iterable[str] = ()) -> None:
        """A container's snapshot and folders, and volumes that have lost their records with it."""
        paths = [f"{self._roots.containers}/{container.id}", f"{self._roots.running}/{container.id}"]
        paths += [path for path in map(self._volumes.set_aside, volumes) if path]
        self._background.spawn(self._delete(container.id, paths), name=f"trash of {container.id[:12]}")

    def folders(self, paths: Iterable[str]) -> None:
        """Folders that no record names."""
        self._background.spawn(self._delete(None, [path for path in paths if path]), name="trash")

    async def _delete(self, snapshot: str | None, paths: list[str]) -> None:
        if snapshot and (shim := self._launcher.unreleased.get(f"{self._roots.running}/{snapshot}")):
            await shim.wait_released()
        await asyncio.to_thread(self._delete_now, snapshot, paths)

    def _delete_now(self, snapshot: str | None, paths: list[str]) -> None:
        if snapshot:
            try:
                self._snapshots.remove(snapshot)
            except SampanError as error:
                logger.warning("snapshot of a removed container stays until the next start: %s", error)
        for path in paths:
            shutil.rmtree(path, ignore_errors=True)
