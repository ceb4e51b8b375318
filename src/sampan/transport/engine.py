# SPDX-License-Identifier: Apache-2.0
"""The stores of engines, through the Engine API: ``sampan:NAME`` and ``docker-daemon:NAME``.

Our engine gives and takes images with the manifests and blobs that they came with (an OCI layout), so digests stay;
`docker-daemon` is the archive of ``docker save``, which any engine has, and keeps what is in the image only.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from sampan.errors import SampanError
from sampan.oci.reference import Reference
from sampan.registry.settings import Limits
from sampan.transport.docker_archive import DockerArchiveSource
from sampan.transport.docker_archive_sink import DockerArchiveSink
from sampan.transport.layout import LayoutSource
from sampan.transport.model import Abilities
from sampan.transport.oci_archive import LayoutArchiveSink, open_archive_source

if TYPE_CHECKING:
    from sampan.client.api import Engine

Connect = Callable[[], "Engine"]
"""Connects to the engine, which may be started for that."""

_PIECE_BYTES = 1 << 20


async def open_store_source(connect: Connect, name: str, limits: Limits) -> LayoutSource:
    """An image of our engine's store, as it came there."""
    with tempfile.TemporaryDirectory(prefix="sampan-") as folder:
        path = f"{folder}/image.tar"
        await asyncio.to_thread(_export, connect, name, path, originals=True)
        return open_archive_source(path, "", limits)  # the open file outlives its name


async def open_daemon_source(connect: Connect, name: str, limits: Limits) -> DockerArchiveSource:
    """An image of any engine."""
    with tempfile.TemporaryDirectory(prefix="sampan-") as folder:
        path = f"{folder}/image.tar"
        await asyncio.to_thread(_export, connect, name, path, originals=False)
        return DockerArchiveSource(path, "@0", limits)


class StoreSink(LayoutArchiveSink):
    """Loads a layout into our engine."""

    abilities = Abilities(wants_compressed=False)

    def __init__(self, connect: Connect, reference: Reference) -> None:
        self._connect = connect
        self._folder = tempfile.TemporaryDirectory(prefix="sampan-")
        self._archive = f"{self._folder.name}/image.tar"
        super().__init__(self._archive, reference.tag or "", full_name=str(reference))

    async def finish(self) -> None:
        """Hand it over."""
        await super().finish()
        await asyncio.to_thread(_load, self._connect, self._archive)

    async def close(self) -> None:
        """Remove what was set aside."""
        await super().close()
        await asyncio.to_thread(self._folder.cleanup)


class DaemonSink(DockerArchiveSink):
    """Loads a docker archive into any engine."""

    def __init__(self, connect: Connect, reference: Reference) -> None:
        self._connect = connect
        self._temporary = tempfile.TemporaryDirectory(prefix="sampan-")
        self._archive = f"{self._temporary.name}/image.tar"
        super().__init__(self._archive, (reference,))

    async def finish(self) -> None:
        """Hand it over."""
        await super().finish()
        await asyncio.to_thread(_load, self._connect, self._archive)

    async def close(self) -> None:
        """Remove what was set aside."""
        await super().close()
        await asyncio.to_thread(self._temporary.cleanup)


def _export(connect: Connect, name: str, path: str, *, originals: bool) -> None:
    answer = connect().images.save([name], originals=originals)
    with open(path, "wb") as out:
        out.writelines(answer)


def _load(connect: Connect, path: str) -> None:
    with open(path, "rb") as file:
        answer = connect().images.load(_iter_pieces(file.fileno()), quiet=True)
        for message in answer.iter_json():
            if message.get("errorDetail") or message.get("error"):
                detail = message.get("errorDetail") or {}
                raise SampanError(str(detail.get("message") or message["error"]))


def _iter_pieces(fd: int) -> Iterator[bytes]:
    while data := os.read(fd, _PIECE_BYTES):
        yield data
