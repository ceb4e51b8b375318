# SPDX-License-Identifier: Apache-2.0
"""A store, a puller and a pusher in a folder, for tests that bring their own registry."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Self

from sampan.content.store import ContentStore
from sampan.image.pulling import Pulled, Puller
from sampan.image.pushing import Pusher
from sampan.image.store import ImageStore
from sampan.image.transfer import Line
from sampan.metadata.database import Database
from sampan.oci.reference import Reference
from sampan.registry.credentials import ANONYMOUS, Credentials
from sampan.registry.repository import Registries
from sampan.registry.settings import Limits, Patience, Settings
from sampan.snapshot.store import SnapshotStore

QUICK = Patience(connect_s=5.0, stall_s=0.4, attempts=3, first_delay_s=0.01, longest_delay_s=0.2)


class RegistryScene:
    """Opened again, as after a restart, by making another one of the same folder."""

    def __init__(self, root: Path, **settings: object) -> None:
        self.root = root
        self.database = Database(str(root / "state.db"))
        self.snapshots = SnapshotStore(str(root / "snapshots"), self.database)
        self.content = ContentStore(str(root / "content"))
        self.store = ImageStore(self.database, self.content, self.snapshots)
        self.snapshots.sweep()
        self.store.sweep()
        options = {"patience": QUICK, "limits": Limits(), **settings}
        self.registries = Registries(Settings(**options))  # type: ignore[arg-type]
        self.lines: list[Line] = []

    async def __aenter__(self) -> Self:
        self.puller = Puller(self.store, self.registries)
        self.pusher = Pusher(self.store, self.registries)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.puller.close()
        self.pusher.close()
        await self.registries.close()
        self.database.close()

    async def pull(self, reference: Reference, credentials: Credentials = ANONYMOUS) -> Pulled:
        return await self.puller.pull(reference, credentials=credentials, progress=self.lines.append)

    def layer(self, chain: object) -> Path:
        return Path(self.snapshots.fs_path(str(chain)))

    def is_empty(self) -> bool:
        folders = [name for name in os.listdir(self.root / "snapshots") if not name.startswith(".")]
        ingest = os.listdir(self.root / "content" / "ingest")
        return not (
            self.store.list() or list(self.content.walk()) or self.snapshots.walk() or folders or ingest
        )

    def statuses(self) -> list[str]:
        return [line.status for line in self.lines]


def run(work: Callable[[], Awaitable[None]]) -> None:
    """One test's coroutine, with an end to its patience."""
    asyncio.run(asyncio.wait_for(work(), 60))
