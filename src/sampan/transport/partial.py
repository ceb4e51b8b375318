# SPDX-License-Identifier: Apache-2.0
"""Blobs into files: what broke off goes on from there the next time.

Holds: a blob has its name only when it is whole, has its digest, and is on disk. What is not whole yet lies in the
folder `PARTIAL` under its digest; a second writer of the same blob, who finds it locked, begins a file of their own.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
from collections.abc import Callable
from secrets import token_hex
from typing import TYPE_CHECKING

from sampan.content.pieces import PIECE_BYTES, iter_pieces
from sampan.content.writer import SizeMismatch
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest, DigestMismatch
from sampan.transport.model import Blob, Sent

if TYPE_CHECKING:
    from hashlib import _Hash

PARTIAL = ".partial"


async def receive(blob: Blob, folder: str, place: str, sent: Sent) -> None:
    """Bring the blob to `place`; `folder` is on the same filesystem."""
    partial = _Partial(blob.descriptor, folder)
    try:
        await _in_thread(partial.read_on)
        async for data in iter_pieces(blob.stream(partial.size)):
            await _in_thread(partial.write, data)
            sent(partial.size)
        await _in_thread(partial.finish, place)
    finally:
        partial.close()


async def _in_thread(work: Callable[..., None], *words: object) -> None:
    """The thread ends what it has begun, also when the task is cancelled: it uses the blob's file."""
    running = asyncio.ensure_future(asyncio.to_thread(work, *words))
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


def remove_partial(folder: str) -> None:
    """The folder of what is not whole goes, if nothing is in it."""
    try:
        os.rmdir(f"{folder}/{PARTIAL}")
    except OSError:
        return


class _Partial:
    """One file that grows."""

    def __init__(self, blob: Descriptor, folder: str) -> None:
        self._blob = blob
        self._path = f"{folder}/{PARTIAL}/{blob.digest.algorithm}-{blob.digest.hex}"
        os.makedirs(f"{folder}/{PARTIAL}", exist_ok=True)
        self._fd = self._open()
        self._hash: _Hash = hashlib.new(blob.digest.algorithm)
        self.size = 0

    def read_on(self) -> None:
        """Hash what an earlier attempt left; more than there should be is thrown away."""
        if os.fstat(self._fd).st_size > self._blob.size:
            os.ftruncate(self._fd, 0)
        while data := os.pread(self._fd, PIECE_BYTES, self.size):
            self._hash.update(data)
            self.size += len(data)

    def write(self, data: bytes) -> None:
        """Append."""
        self.size += len(data)
        if self.size > self._blob.size:
            self._discard()
            raise SizeMismatch(self._blob.size, self.size)
        self._hash.update(data)
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]

    def finish(self, place: str) -> None:
        """Check it and give it its name."""
        if self.size != self._blob.size:
            raise SizeMismatch(self._blob.size, self.size)
        actual = Digest.from_hash(self._hash)
        if actual != self._blob.digest:
            self._discard()
            raise DigestMismatch(self._blob.digest, actual)
        os.fsync(self._fd)
        os.rename(self._path, place)

    def close(self) -> None:
        """Let go; what is there stays for the next time."""
        os.close(self._fd)

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        while True:
            fd = os.open(self._path, flags, 0o644)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(fd)
                self._path += f".{token_hex(4)}"
                continue
            if _is_named(fd, self._path):
                return fd
            os.close(fd)  # whole, and renamed, between our open and our lock

    def _discard(self) -> None:
        os.unlink(self._path)


def _is_named(fd: int, path: str) -> bool:
    try:
        named = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    held = os.fstat(fd)
    return (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino)
