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
    from collections.abc import Callable, Iterable

    from sampan.engine.model import Container
    from sampan.engine.tasks import Background
    from sampan.engine.volumes import Volumes
    from sampan.paths import Roots
    from sampan.schema.container import HostConfig
    from sampan.shim.control import LauncherControl
    from sampan.snapshot.store import SnapshotStore

logger = logging.getLogger(__name__)


def _named_volumes(host_config: HostConfig) -> set[str]:
    """Sources that somebody named: as in Docker, such a volume stays, even one that got its own name by itself."""
    binds = {bind.partition(":")[0] for bind in host_config.binds or ()}
    return binds | {mount.source for mount in host_config.mounts or ()}


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

    def container(self, container: Container, *, volumes: bool, users: Callable[[str], list[str]]) -> None:
        """A container's snapshot, folders and, if asked, its anonymous volumes that nobody else uses."""
        paths = [f"{self._roots.containers}/{container.id}", f"{self._roots.running}/{container.id}"]
        if volumes:
            paths += self._forget_anonymous_volumes(container, users)
        self._background.spawn(self._delete(container.id, paths), name=f"trash of {container.id[:12]}")

    def folders(self, paths: Iterable[str]) -> None:
        """Folders that no record names."""
        self._background.spawn(self._delete(None, [path for path in paths if path]), name="trash")

    def _forget_anonymous_volumes(self, container: Container, users: Callable[[str], list[str]]) -> list[str]:
        asked_for = _named_volumes(container.host_config)
        names = [
            p.name
            for p in container.document.mounts
            if p.type == "volume"
            and p.name not in asked_for
            and self._volumes.is_anonymous(p.name)
            and not users(p.name)
        ]
        return [path for path in map(self._volumes.forget, names) if path]

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
