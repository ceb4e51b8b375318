# SPDX-License-Identifier: Apache-2.0
"""The snapshot store: rows in state.db, one numbered directory each, and the driver that knows what is in it.

    ROOT/17/fs     the tree, or its difference to the parent's     ROOT/17/work   overlayfs's own ROOT/.new-…
    a directory not yet named                       ROOT/.gone-…   one whose name has been removed

Holds: a directory is complete before its row is committed and loses its row before it is touched, so kill -9
at any point leaves at most directories without a row, which `sweep` removes. Numbers are short so that the
options of an overlay mount with 127 layers fit in the one page that the kernel takes.
Not here: mounting (the shim does, in its own namespace) and what layers mean (image, build).
"""

from __future__ import annotations

import os
import threading
import time
from secrets import token_hex

from sampan.linux.filesystem import syncfs
from sampan.linux.tree import remove_tree
from sampan.snapshot.driver import Driver, OverlayDriver
from sampan.snapshot.model import Kind, Mount, Snapshot
from sampan.snapshot.rows import Database, SnapshotRows
from sampan.snapshot.tree import measure_tree

_NEW = ".new-"
_GONE = ".gone-"


class SnapshotStore:
    """All the snapshots of one engine. Safe to use from several threads."""

    def __init__(self, root: str, database: Database, driver: Driver | None = None) -> None:
        self.root = os.path.abspath(root)
        self.driver: Driver = driver or OverlayDriver()
        self._rows = SnapshotRows(database)
        self._making: set[str] = set()
        self._lock = threading.Lock()
        self._deleting = threading.Lock()
        os.makedirs(self.root, mode=0o711, exist_ok=True)

    def prepare(self, key: str, parent: str | None = None) -> Snapshot:
        """Make an active snapshot on a committed one, or on nothing."""
        name = _NEW + token_hex(8)
        with self._lock:
            self._making.add(name)
        try:
            os.mkdir(f"{self.root}/{name}", 0o711)
            self.driver.fill(f"{self.root}/{name}", self.lowers(parent))
            return self._rows.insert(key, Kind.ACTIVE, parent, lambda number: self._place(name, number))
        except BaseException:
            remove_tree(f"{self.root}/{name}")
            raise
        finally:
            with self._lock:
                self._making.discard(name)

    def view(self, key: str, parent: str) -> Snapshot:
        """Make a read-only snapshot of a committed one: a name that keeps it from being removed."""
        return self._rows.insert(key, Kind.VIEW, parent, lambda _number: None)

    def commit(self, key: str, name: str, *, durable: bool = True) -> Snapshot:
        """Let an active snapshot be the committed `name`; nothing may write in it any more.

        `durable` waits until the tree would survive a power cut. Who commits many in a row passes False and
        calls `sync` once, before giving the last one a meaning.
        """
        if durable:
            self._rows.get(key)
            self.sync()
        snapshot = self._rows.commit(key, name)
        remove_tree(self._directory(snapshot.number) + "/work")
        return snapshot

    def mount(self, key: str, *, volatile: bool = False) -> Mount:
        """How to mount an active snapshot or a view (of a committed one: read-only).

        `volatile` spares overlayfs its syncing, at unmount and when programs ask for it. Only for a snapshot
        that is mounted nowhere.
        """
        snapshot = self._rows.get(key)
        if snapshot.kind is Kind.ACTIVE:
            directory = self._directory(snapshot.number)
            return self.driver.mount(directory, self.lowers(snapshot.parent), volatile=volatile)
        return self.driver.mount(None, self.lowers(key))

    def lowers(self, name: str | None) -> tuple[str, ...]:
        """The directories, uppermost first, that laid over each other are the tree of this snapshot."""
        if name is None:
            return ()
        chain = self._rows.chain(name)
        if self._rows.get(name).kind is Kind.VIEW:
            chain = chain[1:]
        if not self.driver.is_layered:
            chain = chain[:1]
        return tuple(self._directory(number) + "/fs" for number in chain)

    def fs_path(self, name: str) -> str:
        """The directory of the snapshot's own tree: with overlay, its difference to the parent."""
        return self._directory(self._rows.get(name).number) + "/fs"

    def upper_path(self, key: str) -> str:
        """Where an active snapshot is written to while it is not mounted."""
        return self.fs_path(key)

    def stat(self, name: str) -> Snapshot:
        """The snapshot of this key or name."""
        return self._rows.get(name)

    def exists(self, name: str) -> bool:
        """Whether there is a snapshot of this key or name."""
        return self._rows.has(name)

    def usage(self, name: str) -> tuple[int, int]:
        """Bytes and inodes of what the snapshot holds itself; measured once if it is committed."""
        snapshot = self._rows.get(name)
        if snapshot.kind is Kind.VIEW:
            return 0, 0
        known = self._rows.usage(snapshot.number)
        if known is not None:
            return known
        usage = measure_tree(self._directory(snapshot.number) + "/fs")
        if snapshot.kind is Kind.COMMITTED:
            self._rows.set_usage(snapshot.number, *usage)
        return usage

    def rename(self, name: str, new: str) -> None:
        """Give a snapshot another key or name."""
        self._rows.rename(name, new)

    def walk(self) -> list[Snapshot]:
        """All snapshots, parents before their children."""
        return self._rows.list()

    def remove(self, name: str, *, deferred: bool = False) -> None:
        """Remove a snapshot that nothing stands on; `deferred` leaves the work of deleting to `purge`."""
        snapshot = self._rows.remove(name)
        gone = f"{self.root}/{_GONE}{snapshot.number}"
        try:
            os.rename(self._directory(snapshot.number), gone)
        except FileNotFoundError:  # a view has no directory
            return
        if not deferred:
            self._delete(gone)

    def purge(self) -> None:
        """Delete the trees of removed snapshots."""
        for name in os.listdir(self.root):
            if name.startswith(_GONE):
                self._delete(f"{self.root}/{name}")

    def sweep(self) -> list[str]:
        """Remove every directory that no row names (left by kill -9); return their names."""
        with self._lock:
            found = set(os.listdir(self.root)) - self._making
        # Listed before the rows are read: a directory placed after that cannot be taken for a leftover.
        known = {str(snapshot.number) for snapshot in self._rows.list()}
        leftover = sorted(found - known)
        for name in leftover:
            self._delete(f"{self.root}/{name}")
        return leftover

    def sync(self) -> None:
        """Wait until everything written to the snapshots would survive a power cut."""
        directory = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            syncfs(directory)
        finally:
            os.close(directory)

    def _place(self, name: str, number: int) -> None:
        """Put a finished directory where its number says; a leftover of a rolled-back row gives way."""
        target = self._directory(number)
        if os.path.lexists(target):
            os.rename(target, f"{self.root}/{_GONE}{number}-{time.monotonic_ns()}")
        os.rename(f"{self.root}/{name}", target)

    def _delete(self, directory: str) -> None:
        """Delete a directory that has no row; one thread at a time, for two would trip over each other."""
        with self._deleting:
            remove_tree(directory)

    def _directory(self, number: int) -> str:
        return f"{self.root}/{number}"
