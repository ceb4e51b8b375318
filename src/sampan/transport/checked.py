# SPDX-License-Identifier: Apache-2.0
"""Bytes on their way, made sure of: as many as the descriptor says, and with its digest.

Holds: the last piece is handed on only after the whole has been found right, so nobody completes what is wrong.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from typing import BinaryIO

from sampan.content.pieces import PIECE_BYTES, iter_pieces
from sampan.content.writer import SizeMismatch
from sampan.errors import DataCorrupt
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest, DigestMismatch
from sampan.transport.model import Blob


async def iter_checked(blob: Blob) -> AsyncIterator[bytes]:
    """The whole blob, or an error before its end."""
    descriptor = blob.descriptor
    state = hashlib.new(descriptor.digest.algorithm)
    held, size = b"", 0
    async for data in iter_pieces(blob.stream(0)):
        size += len(data)
        if size > descriptor.size:
            raise SizeMismatch(descriptor.size, size)
        if held:
            yield held
        held = data
        await asyncio.to_thread(state.update, data)
    if size != descriptor.size:
        raise SizeMismatch(descriptor.size, size)
    if Digest.from_hash(state) != descriptor.digest:
        raise DigestMismatch(descriptor.digest, Digest.from_hash(state))
    if held:
        yield held


async def read_blob(blob: Blob, limit_bytes: int) -> bytes:
    """A small blob, checked."""
    if blob.descriptor.size > limit_bytes:
        size = blob.descriptor.size
        raise DataCorrupt(
            f"blob {blob.descriptor.digest} has {size} bytes, more than the limit of {limit_bytes}"
        )
    return b"".join([data async for data in iter_checked(blob)])


async def iter_file(open_file: Callable[[], BinaryIO], start: int) -> AsyncIterator[bytes]:
    """A file's bytes from one on."""
    file = open_file()  # in a thread, a cancelled task would leave it open
    try:
        await asyncio.to_thread(file.seek, start)
        while data := await asyncio.to_thread(file.read, PIECE_BYTES):
            yield data
    finally:
        file.close()


def file_blob(descriptor: Descriptor, open_file: Callable[[], BinaryIO]) -> Blob:
    """A blob that is a file."""
    return Blob(descriptor, lambda start: iter_file(open_file, start))


def bytes_blob(descriptor: Descriptor, data: bytes) -> Blob:
    """A blob in memory."""

    async def stream(start: int) -> AsyncIterator[bytes]:
        yield data[start:]

    return Blob(descriptor, stream)
