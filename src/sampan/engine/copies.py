# SPDX-License-Identifier: Apache-2.0
"""Copying out of and into containers, and exporting them: who may, what is locked, which events tell of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sampan.archive.pack import pack_tree
from sampan.engine.changes import ChangeKind, list_changes
from sampan.engine.copying import CopyTarget, clean_path, pack_path, resolve_path, stat_path, unpack_into
from sampan.engine.root_view import RootViews, Work
from sampan.engine.threads import start_thread
from sampan.errors import InvalidArgument
from sampan.runtime.user import resolve_user

if TYPE_CHECKING:
    from sampan.archive.reader import Readable
    from sampan.archive.writer import Writable
    from sampan.engine.containers import Containers
    from sampan.engine.model import Container
    from sampan.paths import Roots
    from sampan.shim.control import LauncherControl
    from sampan.snapshot.store import SnapshotStore


class Copies:
    """Files of containers, as archives."""

    def __init__(
        self, containers: Containers, snapshots: SnapshotStore, launcher: LauncherControl, roots: Roots
    ) -> None:
        self._containers = containers
        self._snapshots = snapshots
        self._launcher = launcher
        self._roots = roots
        self._views = RootViews(snapshots, roots.run)

    async def stat(self, container: Container, path: str) -> dict[str, Any]:
        """What is at the path."""
        return await asyncio.to_thread(
            self._views.read, container, lambda root_fd: stat_path(root_fd, path, container.id)
        )

    def pack(self, container: Container, path: str, out: Writable) -> None:
        """Write an archive of the path. Blocking: for a thread."""
        cleaned = clean_path(path)
        self._views.read(container, lambda root_fd: pack_path(root_fd, cleaned, out, container.id))

    async def unpack(
        self, container: Container, path: str, stream: Readable, *, keep_kinds: bool, copy_owner: bool
    ) -> None:
        """Unpack an archive in a folder; with `copy_owner` its files belong to the container's user."""
        target = clean_path(path)

        def work(root_fd: int) -> None:
            _require_writable(container, resolve_path(root_fd, target))
            owner = _users_own(root_fd, container) if copy_owner else None
            unpack_into(root_fd, CopyTarget(target, keep_kinds, owner), stream, container.id)

        if not await self._write_stopped(container, work):
            await _in_thread(lambda: self._views.write_running(container, work))
        self._containers.publish(container, "extract-to-dir")

    async def _write_stopped(self, container: Container, work: Work[None]) -> bool:
        """Do it while the container cannot start; False if it runs, perhaps since just now."""
        async with container.lock:
            if container.shim is None:
                await self._wait_unmounted(container)
                await _in_thread(lambda: self._views.write_stopped(container, work))
                return True
        return False

    async def fill_volumes(self, container: Container) -> None:
        """Give its new volumes the image's content without a start: another container is to share them."""
        new = [
            point for point in container.document.mounts if point.copy_up and point.filesystem in ("", "bind")
        ]
        if new and not container.state.started_ns:
            await self._write_stopped(container, lambda _: None)

    def export(self, container: Container, out: Writable) -> None:
        """Write the root filesystem as it is on the disk, without mounts. Blocking: for a thread."""
        mount = self._snapshots.mount(container.id)
        layers = [mount.source] if mount.kind == "bind" else [mount.upper, *mount.lower]
        pack_tree(layers, "/", out)

    def changes(self, container: Container) -> dict[str, ChangeKind]:
        """What the container has changed of its image's files. Blocking: for a thread."""
        directory = self._snapshots.upper_path(container.id)
        lowers = self._snapshots.lowers(container.document.chain_id)
        return list_changes(directory, lowers, is_layered=self._snapshots.driver.is_layered)

    async def _wait_unmounted(self, container: Container) -> None:
        """The shim of a container that has just ended may still have its root filesystem mounted."""
        if shim := self._launcher.unreleased.get(f"{self._roots.running}/{container.id}"):
            await shim.wait_released()


async def _in_thread(work: Callable[[], None]) -> None:
    """The client sends as slowly as it likes: not in one of the event loop's own threads."""
    await asyncio.wrap_future(start_thread(work, name="unpack"))


def _users_own(root_fd: int, container: Container) -> tuple[int, int] | None:
    """The owner that files get which shall belong to the container's user; None keeps the archive's."""
    if not container.config.user:
        return None
    user = resolve_user(root_fd, container.config.user)
    return user.uid, user.gid


def _require_writable(container: Container, path: str) -> None:
    """Docker's rule, also for a container that runs: read-only is what was asked for, volume by volume."""
    inside = [point for point in container.document.mounts if is_below(path, point.destination)]
    volume = max(inside, key=lambda point: len(point.destination), default=None)
    if volume is not None:
        if not volume.rw:
            raise InvalidArgument("mounted volume is marked read-only")
    elif container.host_config.readonly_rootfs:
        raise InvalidArgument("container rootfs is marked read-only")


def is_below(path: str, directory: str) -> bool:
    """Whether the path is the directory or in it."""
    return path == directory or path.startswith(directory.rstrip("/") + "/")
