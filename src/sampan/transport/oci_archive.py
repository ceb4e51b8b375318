# SPDX-License-Identifier: Apache-2.0
"""OCI image layouts in a tar: ``oci-archive:FILE[:NAME]``.

Implements: containers-image's oci-archive transport. A file that is there is replaced, as that does.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from typing import IO

from sampan.archive.entry import Entry, Kind
from sampan.archive.writer import TarWriter
from sampan.registry.settings import Limits
from sampan.transport.files import ArchiveFiles
from sampan.transport.layout import LayoutSource
from sampan.transport.layout_sink import LayoutSink


def open_archive_source(path: str, name: str, limits: Limits) -> LayoutSource:
    """One image of an archive."""
    files = ArchiveFiles(path, limits.layer_bytes)
    try:
        return LayoutSource(files, name, limits, place=path)
    except BaseException:
        files.close()
        raise


class LayoutArchiveSink(LayoutSink):
    """Writes a layout in a folder beside, and makes the archive of it."""

    def __init__(self, path: str, name: str, *, full_name: str = "") -> None:
        self._archive_path = path
        parent = os.path.dirname(os.path.abspath(path))
        self._temporary = tempfile.TemporaryDirectory(prefix=".sampan-", dir=parent)
        super().__init__(f"{self._temporary.name}/layout", name, full_name=full_name)

    async def finish(self) -> None:
        """The index, then the archive; it takes its name when it is whole."""
        await super().finish()
        await asyncio.to_thread(self._write)

    async def close(self) -> None:
        """Remove the folder."""
        await asyncio.to_thread(self._temporary.cleanup)

    def _write(self) -> None:
        beside = f"{self._temporary.name}/archive"
        with open(beside, "wb") as out:
            pack_layout(self.folder, out)
            out.flush()
            os.fsync(out.fileno())
        os.rename(beside, self._archive_path)


def pack_layout(folder: str, out: IO[bytes], extra: str = "") -> None:
    """A layout as a tar: its documents first, so that a reader knows what follows; then what else the folder has.

    Equal layouts give equal archives. `extra` is a folder of files that go in after the layout, by their names.
    """
    tar = TarWriter(out)
    for name in ("oci-layout", "index.json"):
        _add_file(tar, f"{folder}/{name}", name)
    _add_tree(tar, f"{folder}/blobs", "blobs")
    if extra:
        for name in sorted(os.listdir(extra)):
            _add_tree(tar, f"{extra}/{name}", name)
    tar.close()


def _add_tree(tar: TarWriter, path: str, name: str) -> None:
    if not os.path.isdir(path):
        return _add_file(tar, path, name)
    tar.add(Entry(f"{name}/", Kind.DIRECTORY, mode=0o755))
    for child in sorted(os.listdir(path)):
        _add_tree(tar, f"{path}/{child}", f"{name}/{child}")
    return None


def _add_file(tar: TarWriter, path: str, name: str) -> None:
    with open(path, "rb", buffering=0) as file:
        tar.add(Entry(name, Kind.FILE, size=os.fstat(file.fileno()).st_size), file.fileno())
