# SPDX-License-Identifier: Apache-2.0
"""A place to build in: real stores in a folder, a project, and an executor that understands three words.

``write PATH TEXT``, ``sleep`` (until cancelled) and ``exit N``, separated by semicolons, stand for programs:
what a RUN runs is the engine's business, here it is what the builder makes of it.
"""

from __future__ import annotations

import asyncio
import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sampan.build.progress import LogEvent, StatusEvent, VertexEvent, WarningEvent
from sampan.build.request import BuildRequest
from sampan.build.seams import ExecStep, GivenSecrets, Output
from sampan.build.service import Builder
from sampan.content.store import ContentStore
from sampan.image.store import Image, ImageStore
from sampan.metadata.database import Database
from sampan.snapshot.driver import Driver
from sampan.snapshot.store import SnapshotStore

Event = VertexEvent | LogEvent | StatusEvent | WarningEvent


class Scripted:
    """The executor: it writes into the snapshot's directory, and remembers what it was asked."""

    def __init__(self, snapshots: SnapshotStore) -> None:
        self.snapshots = snapshots
        self.steps: list[ExecStep] = []
        self.started = asyncio.Event()
        self.inspect: Callable[[ExecStep], None] = lambda _: None
        self.after: Callable[[str], None] = lambda _: None

    async def run(self, step: ExecStep, *, output: Output) -> int:
        self.steps.append(step)
        self.inspect(step)
        self.started.set()
        root = self.snapshots.upper_path(step.snapshot)
        for command in step.arguments[-1].split(";"):
            words = command.split()
            match words:
                case ["write", path, *text]:
                    _write(root + path, " ".join(text))
                case ["say", *text]:
                    output(1, " ".join(text).encode() + b"\n")
                case ["sleep"]:
                    await asyncio.Event().wait()
                case ["exit", code]:
                    return int(code)
        self.after(root)
        return 0

    @property
    def commands(self) -> list[str]:
        return [step.arguments[-1] for step in self.steps]


def _write(path: str, text: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    Path(path).write_text(text)


class BuildPlace:
    """Stores, builder and project below one folder."""

    def __init__(self, root: Path, driver: Driver | None = None) -> None:
        self.root = root
        self.project = root / "project"
        self.project.mkdir()
        self.driver = driver
        self.open()

    def open(self) -> None:
        """Open the stores, as a start of the engine does."""
        self.database = Database(str(self.root / "state.db"))
        self.content = ContentStore(str(self.root / "content"))
        self.snapshots = SnapshotStore(str(self.root / "snapshots"), self.database, self.driver)
        self.images = ImageStore(self.database, self.content, self.snapshots)
        self.executor = Scripted(self.snapshots)
        self.builder = Builder(
            images=self.images,
            snapshots=self.snapshots,
            database=self.database,
            content=self.content,
            executor=self.executor,
            root=str(self.root / "build"),
        )
        self.events: list[Event] = []

    def close(self) -> None:
        self.database.close()

    def write(self, name: str, text: str | bytes = "", *, mode: int | None = None) -> Path:
        """A file of the project, with its folders."""
        path = self.project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        if mode is not None:
            path.chmod(mode)
        return path

    def build(self, text: str | None = None, **options: Any) -> Image:
        """Build the project and answer the image; events and steps are those of this build."""
        return asyncio.run(self.build_in_loop(text, **options))

    async def build_in_loop(self, text: str | None = None, **options: Any) -> Image:
        self.events = []
        self.executor.steps.clear()
        self.executor.started = asyncio.Event()
        if text is not None:
            options["dockerfile"] = text.encode()
        if "secrets" in options:
            options["secrets"] = GivenSecrets(options["secrets"])
        request = BuildRequest(context=str(self.project), **options)
        result = await self.builder.build(request, self.events.append)
        assert result.image_id is not None
        return self.images.get(result.image_id)

    def ended(self) -> dict[str, VertexEvent]:
        """The vertices of the last build that ended, by name."""
        return {
            event.name: event
            for event in self.events
            if isinstance(event, VertexEvent) and event.completed_ns is not None
        }

    def cached(self) -> dict[str, bool]:
        """Whether each step came from the cache, by the instruction's text."""
        return {
            name.partition("] ")[2]: event.cached
            for name, event in self.ended().items()
            if not name.startswith("[internal]") and "] " in name
        }

    def layer(self, image: Image, number: int = -1) -> Path:
        """The directory of one of the image's layers."""
        return Path(self.snapshots.fs_path(str(image.chain_ids[number])))

    def names(self, image: Image, number: int = -1) -> list[str]:
        """Everything in a layer, sorted."""
        root = self.layer(image, number)
        return sorted(str(path.relative_to(root)) for path in root.rglob("*"))

    def make_tar(self, name: str, files: dict[str, str], mode: str = "w") -> Path:
        """An archive in the project."""
        path = self.project / name
        with tarfile.open(path, mode) as archive:
            for member, text in files.items():
                info = tarfile.TarInfo(member)
                data = text.encode()
                info.size, info.uid, info.gid, info.mode = len(data), 12, 34, 0o640
                archive.addfile(info, io.BytesIO(data))
        return path
