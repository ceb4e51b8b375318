# SPDX-License-Identifier: Apache-2.0
"""A layer's blob in another compression, in a file of its own until it has been sent.

Holds: the blob is checked before it is unpacked; what it unpacks to is limited, as in a pull.
"""

from __future__ import annotations

import asyncio
import tempfile
from typing import BinaryIO, cast

from sampan.archive.compression import open_decompressed
from sampan.archive.digesting import DigestReader, DigestWriter
from sampan.archive.packing import GzipWriter, ZstdWriter
from sampan.archive.reader import CHUNK_BYTES
from sampan.oci import media_type
from sampan.oci.descriptor import Descriptor
from sampan.oci.media_type import Compression
from sampan.registry.settings import GIB, Limits
from sampan.transport.checked import iter_checked, iter_file
from sampan.transport.model import Blob


class Recompressed:
    """A new blob and the file that it lies in; close it when it has been sent."""

    def __init__(self, blob: Blob, file: BinaryIO) -> None:
        self.blob = blob
        self._file = file

    def close(self) -> None:
        """The file goes: it never had a name."""
        self._file.close()


async def recompress(blob: Blob, to: Compression, limits: Limits, *, docker: bool) -> Recompressed:
    """The same tar, compressed otherwise."""
    with tempfile.TemporaryFile() as came:
        async for data in iter_checked(blob):
            await asyncio.to_thread(came.write, data)
        came.seek(0)
        size = blob.descriptor.size
        limit = min(limits.layer_bytes, max(GIB, size * limits.expansion))
        file = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115 - closed by Recompressed
        try:
            described = await asyncio.to_thread(_pack, cast("BinaryIO", came), file, to, limit, docker=docker)
        except BaseException:
            file.close()
            raise
    return Recompressed(Blob(described, lambda start: iter_file(lambda: _again(file), start)), file)


def _pack(source: BinaryIO, out: BinaryIO, to: Compression, limit: int, *, docker: bool) -> Descriptor:
    reader = DigestReader(open_decompressed(source), limit_bytes=limit)
    written = DigestWriter(out)
    packer = _packer(written, to)
    while data := reader.read(CHUNK_BYTES):
        (packer or written).write(data)
    if packer is not None:
        packer.close()
    out.flush()
    return Descriptor(media_type.layer_type(to, docker=docker), written.digest, written.size_bytes)


def _packer(out: DigestWriter, to: Compression) -> GzipWriter | ZstdWriter | None:
    if to is Compression.NONE:
        return None
    return GzipWriter(out) if to is Compression.GZIP else ZstdWriter(out)


def _again(file: BinaryIO) -> BinaryIO:
    """The same file with a position of its own."""
    return open(f"/proc/self/fd/{file.fileno()}", "rb", buffering=0)
