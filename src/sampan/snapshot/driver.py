# SPDX-License-Identifier: Apache-2.0
"""How a snapshot's tree lies on disk: as a difference for overlayfs, or as a whole copy.

A driver decides nothing about names and life cycle; that is the store's.
"""

from __future__ import annotations

import os
from typing import Protocol

from sampan.linux.tree import remove_tree
from sampan.snapshot.model import Mount
from sampan.snapshot.replicate import replicate_tree


class Driver(Protocol):
    """The two things in which ways of keeping a tree differ."""

    @property
    def name(self) -> str:
        """``overlay`` or ``copy``: what ``docker info`` shows as the storage driver."""

    @property
    def is_layered(self) -> bool:
        """Whether a snapshot's directory holds only its difference to its parent."""

    def fill(self, directory: str, parents: tuple[str, ...]) -> None:
        """Make what a new active snapshot has in `directory`; `parents` are ``fs`` directories, upper
        first.
        """

    def mount(self, directory: str | None, parents: tuple[str, ...], *, volatile: bool = False) -> Mount:
        """The mount of a writable snapshot in `directory` on its parents; None: of the parents, read-only."""


class OverlayDriver:
    """Each snapshot holds its difference; the kernel's overlayfs shows the whole."""

    name = "overlay"
    is_layered = True

    def fill(self, directory: str, parents: tuple[str, ...]) -> None:
        """Make an empty upper directory and the work directory that overlayfs wants beside it."""
        os.mkdir(directory + "/fs", 0o755)
        os.mkdir(directory + "/work", 0o711)
        if parents:
            # The root of the mount has the attributes of the upper directory, so they are inherited by hand.
            status = os.stat(parents[0])
            os.chown(directory + "/fs", status.st_uid, status.st_gid)
            os.chmod(directory + "/fs", status.st_mode & 0o7777)

    def mount(self, directory: str | None, parents: tuple[str, ...], *, volatile: bool = False) -> Mount:
        """Overlay where there is something to lay over, else a bind mount: overlayfs needs a lower
        directory.
        """
        if directory is None:
            if len(parents) == 1:
                return Mount("bind", source=parents[0], readonly=True)
            return Mount("overlay", lower=parents, readonly=True)
        if not parents:
            return Mount("bind", source=directory + "/fs")
        if volatile:
            _forget_volatile(directory)
        return Mount(
            "overlay", lower=parents, upper=directory + "/fs", work=directory + "/work", volatile=volatile
        )


class CopyDriver:
    """Each snapshot holds its whole tree, copied from its parent: for filesystems that overlayfs refuses."""

    name = "copy"
    is_layered = False

    def fill(self, directory: str, parents: tuple[str, ...]) -> None:
        """Copy the parent's tree; where the filesystem can share blocks (reflinks) this costs little."""
        os.mkdir(directory + "/fs", 0o755)
        if parents:
            replicate_tree(parents[0], directory + "/fs")

    def mount(
        self,
        directory: str | None,
        parents: tuple[str, ...],
        *,
        volatile: bool = False,  # noqa: ARG002
    ) -> Mount:
        """Bind the one directory."""
        if directory is None:
            return Mount("bind", source=parents[0], readonly=True)
        return Mount("bind", source=directory + "/fs")


def _forget_volatile(directory: str) -> None:
    """Let a volatile overlay be mounted again.

    The kernel leaves this mark, and refuses the next mount, because data may be lost in a crash of the
    machine. Containers and build steps take that risk knowingly: their trees are synced when they are
    committed.
    """
    remove_tree(directory + "/work/work/incompat")
