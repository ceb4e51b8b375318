# SPDX-License-Identifier: Apache-2.0
"""One upload in progress, held by one request: its bytes, and the hash of them as they come.

Holds: a digest noted beside the file is believed only while the machine has not been restarted since, as a power cut
may have taken bytes that were never synced; else the file is hashed again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from sampan.oci.digest import Digest, parse_digest
from sampan.registry.server.errors import digest_invalid
from sampan.registry.server.storage.tree import unlink_if_there

if TYPE_CHECKING:
    from sampan.registry.server.storage.uploads import Uploads

DEFAULT_ALGORITHM = "sha256"
_READ_BYTES = 1 << 20
_MAX_VECTORS = 512


class UploadState(msgspec.Struct):
    """The file beside the bytes."""

    repository: str
    algorithm: str = DEFAULT_ALGORITHM
    digest: str = ""
    size: int = 0
    boot: str = ""


class Upload:
    """One upload, held by one request."""

    def __init__(self, uploads: Uploads, name: str, state: UploadState, descriptor: int) -> None:
        self.name = name
        self.repository = state.repository
        self._uploads = uploads
        self._state = state
        self._descriptor = descriptor
        self.size = os.fstat(descriptor).st_size
        self._hash = uploads.take_hash(name, self.size) if self.size else hashlib.new(state.algorithm)

    @property
    def path(self) -> str:
        """The bytes."""
        return self._uploads.data_path(self.name)

    def write(self, parts: Sequence[bytes]) -> None:
        """Append."""
        running, self._hash = self._hash, None  # until the bytes are written, it would be that of other bytes
        self._append([memoryview(part) for part in parts if part])
        if running is not None:
            for part in parts:
                running.update(part)
        self._hash = running

    def expect(self, algorithm: str) -> None:
        """The digest will be of this algorithm, which may be known at the end only."""
        if not self.size:
            self._hash = hashlib.new(algorithm)

    def suspend(self) -> None:
        """Let the next request go on, in this process or another."""
        if self._hash is not None:
            self._uploads.keep_hash(self.name, self.size, self._hash)
            self._state.digest = str(Digest.from_hash(self._hash))
            self._state.size = self.size
            self._state.boot = self._uploads.boot
        self._uploads.write_state(self.name, self._state)
        self.close()

    def check(self, expected: Digest) -> None:
        """The bytes have this digest; refused otherwise."""
        if self._digest(expected.algorithm) != expected:
            raise digest_invalid(str(expected))

    def sync(self) -> None:
        """The bytes are on disk."""
        os.fdatasync(self._descriptor)

    def discard(self) -> None:
        """Give it up, or let go of the name when the blob has another."""
        unlink_if_there(self._uploads.state_path(self.name))
        unlink_if_there(self.path)
        self.close()

    def close(self) -> None:
        """Let go of the lock."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _append(self, views: list[memoryview]) -> None:
        while views:
            written = os.writev(self._descriptor, views[:_MAX_VECTORS])
            self.size += written
            while views and written >= len(views[0]):
                written -= len(views.pop(0))
            if written:
                views[0] = views[0][written:]

    def _digest(self, algorithm: str) -> Digest:
        if self._hash is not None and self._hash.name == algorithm:
            return Digest.from_hash(self._hash)
        noted = self._state
        if noted.digest and noted.size == self.size and noted.boot == self._uploads.boot:
            digest = parse_digest(noted.digest)
            if digest.algorithm == algorithm:
                return digest
        return self._hash_file(algorithm)

    def _hash_file(self, algorithm: str) -> Digest:
        state = hashlib.new(algorithm)
        buffer = bytearray(_READ_BYTES)
        offset = 0
        while count := os.preadv(self._descriptor, [buffer], offset):
            state.update(memoryview(buffer)[:count])
            offset += count
        return Digest.from_hash(state)
