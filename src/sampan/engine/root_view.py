# SPDX-License-Identifier: Apache-2.0
"""The files of a container as it sees them, whether it runs or not, with its volumes and binds.

A running container's root is reached through /proc/PID/root. For one that does not run, a thread of its own
leaves for a mount namespace of its own, mounts the root filesystem and the volumes there, works, and ends: the
mounts end with it, and the host never sees them. (unshare(2) is per thread; dockerd does the same.)

Holds: who only reads mounts over a scratch directory, so that nothing reading needs, such as a mount point, is
ever made in the container; only writing needs the container to stand still, and its caller holds its lock.
Not here: resolving paths below the root. They are hostile, and whoever works here resolves them inside it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from sampan.engine.model import Container, MountPoint
from sampan.engine.threads import start_thread
from sampan.errors import Conflict
from sampan.linux.mount import MS_NODEV, MS_REC, MS_SLAVE, attach, mount, open_tree
from sampan.linux.namespace import CLONE_FS, CLONE_NEWNS, unshare
from sampan.linux.resolve import make_file_in_root, makedirs_in_root
from sampan.runtime.copyup import copy_up
from sampan.shim.rootfs import mount_rootfs

if TYPE_CHECKING:
    from sampan.snapshot.store import SnapshotStore

T = TypeVar("T")
Work = Callable[[int], T]
"""What is done with a descriptor of the root; the descriptor is closed afterwards."""


class RootViews:
    """Gives work the root of a container. Blocking: for threads."""

    def __init__(self, snapshots: SnapshotStore, directory: str) -> None:
        self._snapshots = snapshots
        self._target = f"{directory}/view"
        """A folder that stays empty: each thread sees its own mount there."""

    def read(self, container: Container, work: Work[T]) -> T:
        """Do what changes nothing, whatever state the container is in."""
        root_fd = _open_running(container)
        return self._mounted(container, work, writes=False) if root_fd is None else _closing(root_fd, work)

    def write_running(self, container: Container, work: Work[T]) -> T:
        """Do what may change something in a container that runs."""
        root_fd = _open_running(container)
        if root_fd is None:
            raise _ending(container)
        return _closing(root_fd, work)

    def write_stopped(self, container: Container, work: Work[T]) -> T:
        """Do what may change something in one that does not run; the caller holds its lock."""
        return self._mounted(container, work, writes=True)

    def _mounted(self, container: Container, work: Work[T], *, writes: bool) -> T:
        mounted = start_thread(lambda: self._run_mounted(container, work, writes=writes), name="root view")
        return mounted.result()

    def _run_mounted(self, container: Container, work: Work[T], *, writes: bool) -> T:
        rootfs = self._snapshots.mount(container.id).document()
        os.makedirs(self._target, mode=0o700, exist_ok=True)
        unshare(CLONE_NEWNS | CLONE_FS)
        mount(None, "/", None, MS_REC | MS_SLAVE)
        if not writes and rootfs["type"] == "overlay":
            rootfs = _over_scratch(rootfs)
        mount_rootfs(rootfs, self._target)

        def work_with_volumes(root_fd: int) -> T:
            for point in container.document.mounts:
                _mount_volume(root_fd, point, writes=writes)
            return work(root_fd)

        return _closing(os.open(self._target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), work_with_volumes)


def _open_running(container: Container) -> int | None:
    """The root of the container's first process; None where there is none (any more)."""
    pid = container.state.pid
    if not container.state.is_running or not pid:
        return None
    try:
        root_fd = os.open(f"/proc/{pid}/root", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError):
        raise _ending(container) from None
    if container.state.pid != pid or container.shim is None or container.shim.exit_status is not None:
        os.close(root_fd)  # perhaps another process by now
        raise _ending(container)
    return root_fd


def _closing(root_fd: int, work: Work[T]) -> T:
    try:
        return work(root_fd)
    finally:
        os.close(root_fd)


def _ending(container: Container) -> Conflict:
    return Conflict(f"container {container.id} is just ending")


def _over_scratch(rootfs: dict[str, object]) -> dict[str, object]:
    """The same tree with a scratch directory above it, in memory, laid over the overlay's work directory.

    There its path is as short as the others': mount options are limited to a page.
    """
    lower, upper, work = rootfs["lower"], rootfs["upper"], rootfs["work"]
    assert isinstance(lower, list)
    mount("tmpfs", str(work), "tmpfs", MS_NODEV, "mode=0700")
    status = os.stat(str(upper))
    for name in ("upper", "work"):
        os.mkdir(f"{work}/{name}", 0o755)
    os.chown(f"{work}/upper", status.st_uid, status.st_gid)
    os.chmod(f"{work}/upper", stat.S_IMODE(status.st_mode))
    return {**rootfs, "lower": [upper, *lower], "upper": f"{work}/upper", "work": f"{work}/work"}


def _mount_volume(root_fd: int, point: MountPoint, *, writes: bool) -> None:
    """A tmpfs is empty until the container starts; a source that the host removed is the start's to tell.

    A new volume gets the image's content at the first start: until then that content is what is seen.
    """
    if point.type not in ("bind", "volume") or not os.path.exists(point.source):
        return
    if point.copy_up and not os.listdir(point.source):
        if not writes:
            return
        copy_up(root_fd, point.destination, point.source)
    make = makedirs_in_root if os.path.isdir(point.source) else make_file_in_root
    source = open_tree(point.source, recursive=True)
    try:
        target = make(root_fd, point.destination)
        try:
            attach(source, target)
        finally:
            os.close(target)
    finally:
        os.close(source)
