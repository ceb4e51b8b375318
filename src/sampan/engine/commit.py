# SPDX-License-Identifier: Apache-2.0
"""`docker commit`: what a container has written, as one more layer on its image.

The container keeps its own directory and goes on writing there: the layer is a copy, made while the container
stands still unless the caller does not want that. Blocks are shared where the filesystem can.
Holds: an image appears when everything it names is on the disk; a commit that fails leaves nothing with a name.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from secrets import token_hex
from typing import TYPE_CHECKING

import msgspec

from sampan.archive.diff import write_layer, write_tree_diff
from sampan.archive.merged import MergedTree
from sampan.build.changes import apply_changes
from sampan.engine.changes import MOUNT_POINTS
from sampan.engine.create import merge_config
from sampan.errors import Conflict, NotFound
from sampan.image.model import Image, LayerInfo
from sampan.linux.resolve import open_parent_in_root
from sampan.linux.tree import remove_tree
from sampan.oci.chain import chain_ids
from sampan.oci.config import History, encode_image_config
from sampan.oci.digest import Digest
from sampan.oci.reference import parse_reference
from sampan.oci.run_config import RunConfig, decode_run_config
from sampan.schema.container import ContainerConfig, ContainerCreate
from sampan.snapshot.model import SnapshotExists
from sampan.snapshot.replicate import replicate_tree

if TYPE_CHECKING:
    from sampan.engine.containers import Containers
    from sampan.engine.lifecycle import Lifecycle
    from sampan.engine.model import Container
    from sampan.image.store import ImageStore
    from sampan.snapshot.store import SnapshotStore


@dataclass(frozen=True, slots=True)
class CommitRequest:
    """What the image is called, what it says of itself, and how its configuration differs."""

    name: str = ""
    comment: str = ""
    author: str = ""
    changes: Sequence[str] = ()
    config: ContainerCreate | None = None
    pause: bool = True


class Commits:
    """Makes images of containers."""

    def __init__(
        self, containers: Containers, lifecycle: Lifecycle, images: ImageStore, snapshots: SnapshotStore
    ) -> None:
        self._containers = containers
        self._lifecycle = lifecycle
        self._images = images
        self._snapshots = snapshots

    async def commit(self, container: Container, request: CommitRequest) -> Image:
        """The new image, named if a name was asked for."""
        if container.is_removing:
            raise Conflict(f"You cannot commit container {container.id} which is being removed")
        if request.name:
            parse_reference(request.name)
        base = self._images.find(container.document.image_id)
        if base is None:
            raise NotFound(f"No such image: {container.document.image_id}")
        config = plan_config(container.config, request)
        async with self._standing_still(container, wanted=request.pause):
            key = await asyncio.to_thread(self._copy, container)
        return await asyncio.to_thread(self._record, container, base, key, config, request)

    @contextlib.asynccontextmanager
    async def _standing_still(self, container: Container, *, wanted: bool) -> AsyncIterator[None]:
        """Pause what runs, for the time of the block."""
        if not wanted or container.state.status != "running":
            yield
            return
        await self._lifecycle.pause(container)
        try:
            yield
        finally:
            with contextlib.suppress(Conflict):  # it may have been killed, or somebody else let it go on
                await self._lifecycle.unpause(container)

    def _copy(self, container: Container) -> str:
        """Copy what the container has written to an active snapshot on the same parent; gives its key."""
        key = f"commit-{token_hex(16)}"
        parent = container.document.chain_id
        self._snapshots.prepare(key, parent)
        try:
            target = self._snapshots.upper_path(key)
            if not self._snapshots.driver.is_layered:  # it starts as a copy of its parent
                remove_tree(target)
                os.mkdir(target)
            replicate_tree(self._snapshots.upper_path(container.id), target)
            remove_mount_points(target, self._snapshots.lowers(parent))
        except FileNotFoundError as error:
            self._snapshots.remove(key)
            raise Conflict(
                f"container {container.id} was changed while it was committed: {error.filename} is gone",
                hint="let it be paused meanwhile",
            ) from error
        except BaseException:
            self._snapshots.remove(key)
            raise
        return key

    def _record(
        self, container: Container, base: Image, key: str, config: RunConfig, request: CommitRequest
    ) -> Image:
        diff_ids = base.config.diff_ids
        try:
            diff_ids = (*diff_ids, self._digest(key))
            self._snapshots.commit(key, str(chain_ids(diff_ids)[-1]))
        except SnapshotExists:  # somebody made the same tree before
            self._snapshots.remove(key)
        except BaseException:
            self._snapshots.remove(key)
            raise
        now_ns = time.time_ns()
        line = History(now_ns, " ".join(container.config.cmd or ()), request.author, request.comment)
        raw = encode_image_config(
            platform=base.config.platform,
            config=config,
            diff_ids=diff_ids,
            history=[*base.config.history, line],
            created_ns=now_ns,
            author=request.author,
        )
        layers = [LayerInfo(diff_id) for diff_id in diff_ids]
        return self._images.create(raw, layers, references=[request.name] if request.name else [])

    def _digest(self, key: str) -> Digest:
        """The diff ID of the layer that the copy amounts to."""
        tree = self._snapshots.upper_path(key)
        if self._snapshots.driver.is_layered:
            return write_layer(tree, None).diff_id
        below = self._snapshots.lowers(self._snapshots.stat(key).parent)
        return write_tree_diff(below[0] if below else None, tree, None).diff_id


def plan_config(config: ContainerConfig, request: CommitRequest) -> RunConfig:
    """The image's configuration: the container's, under that of the request, under its `--change` lines."""
    merged = config
    if request.config is not None:
        merged = merge_config(request.config, _plain(config))
        merged.stop_timeout = config.stop_timeout if merged.stop_timeout is None else merged.stop_timeout
        merged.on_build = merged.on_build or config.on_build
    decoded = replace(decode_run_config(_plain(merged)), extra={})
    return apply_changes(decoded, request.changes)


def _plain(config: ContainerConfig) -> dict[str, object]:
    return {name: value for name, value in msgspec.to_builtins(config).items() if value is not None}


def remove_mount_points(upper: str, lowers: Sequence[str]) -> None:
    """Remove what a start had made for its mounts, as far as it is empty; deepest first, inside the tree."""
    root = os.open(upper, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for path in sorted(MOUNT_POINTS, reverse=True):
            if not _exists(lowers, path):
                with contextlib.suppress(OSError):
                    _remove_if_empty(root, path)
    finally:
        os.close(root)


def _exists(lowers: Sequence[str], path: str) -> bool:
    if not lowers:
        return False
    with MergedTree(lowers) as tree, tree.open_trail(path, follow=False) as (_, missing):
        return not missing


def _remove_if_empty(root: int, path: str) -> None:
    parent, name = open_parent_in_root(root, path)
    try:
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            os.rmdir(name, dir_fd=parent)
        elif stat.S_ISREG(status.st_mode) and not status.st_size:
            os.unlink(name, dir_fd=parent)
    finally:
        os.close(parent)
