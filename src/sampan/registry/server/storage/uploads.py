# SPDX-License-Identifier: Apache-2.0
"""Uploads in progress: a file that grows, and beside it whose it is.

Holds: one request at a time writes to an upload (flock; a second is refused). What has been written stays when the
server is killed: the next process goes on from the file's length. A digest noted beside the file is believed only
while the machine has not been restarted since, as a power cut may have taken bytes that were never synced.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import time
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from secrets import token_hex
from typing import TYPE_CHECKING

import msgspec

from sampan.oci.digest import HEX_LENGTHS, Digest, parse_digest
from sampan.registry.server.errors import Refusal, digest_invalid, upload_unknown
from sampan.registry.server.storage.tree import Tree, unlink_if_there

if TYPE_CHECKING:
    from hashlib import _Hash

DEFAULT_ALGORITHM = "sha256"
_ID = re.compile(r"[0-9a-f]{32}")
_KEPT_HASHES = 1024
_READ_BYTES = 1 << 20
_MAX_VECTORS = 512


class _State(msgspec.Struct):
    """The file beside the bytes."""

    repository: str
    algorithm: str = DEFAULT_ALGORITHM
    digest: str = ""
    size: int = 0
    boot: str = ""


class Upload:
    """One upload, held by one request."""

    def __init__(self, uploads: Uploads, name: str, state: _State, descriptor: int) -> None:
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


class Uploads:
    """All uploads of one registry, as one process sees them."""

    def __init__(self, tree: Tree) -> None:
        self._directory = tree.uploads
        self._hashes: OrderedDict[str, tuple[int, _Hash]] = OrderedDict()
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            self.boot = file.read().strip()

    def start(self, repository: str, algorithm: str = DEFAULT_ALGORITHM) -> Upload:
        """A new upload, empty; `suspend` makes it one that other requests find."""
        name = token_hex(16)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        descriptor = os.open(self.data_path(name), flags, 0o644)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return Upload(self, name, _State(repository, algorithm), descriptor)

    def resume(self, repository: str, name: str) -> Upload:
        """An upload of this repository, for this request alone."""
        self._read_state(repository, name)
        descriptor = self._hold(name)
        try:
            # Read again: another request may have suspended it between the first reading and the lock.
            upload = Upload(self, name, self._read_state(repository, name), descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        return upload

    def size(self, repository: str, name: str) -> int:
        """How much of it is here."""
        self._read_state(repository, name)
        try:
            return os.stat(self.data_path(name)).st_size
        except FileNotFoundError:
            raise upload_unknown(name) from None

    def sweep(self, older_than_s: float) -> int:
        """Remove uploads that nobody has gone on with for so long; how many that were."""
        limit = time.time() - older_than_s
        swept = 0
        for file in os.listdir(self._directory):
            path = f"{self._directory}/{file}"
            name, _, kind = file.partition(".")
            with suppress(FileNotFoundError):
                if os.stat(path).st_mtime >= limit:
                    continue
                if kind == "data" and not _is_held(path):
                    unlink_if_there(self.state_path(name))
                    swept += unlink_if_there(path)
                elif kind != "data" and not os.path.exists(self.data_path(name)):
                    unlink_if_there(path)
        return swept

    def total_bytes(self) -> int:
        """What all uploads in progress take."""
        total = 0
        with os.scandir(self._directory) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):
                    total += entry.stat().st_size
        return total

    def data_path(self, name: str) -> str:
        """Where its bytes are."""
        return f"{self._directory}/{name}.data"

    def state_path(self, name: str) -> str:
        """Where the rest is."""
        return f"{self._directory}/{name}.json"

    def write_state(self, name: str, state: _State) -> None:
        """Say whose it is; a state that is lost costs the upload and nothing else, so it is not synced."""
        temporary = f"{self._directory}/{token_hex(16)}.tmp"
        with open(temporary, "wb") as file:
            file.write(msgspec.json.encode(state))
        os.rename(temporary, self.state_path(name))

    def take_hash(self, name: str, size: int) -> _Hash | None:
        """The running hash of the first `size` bytes, if this process has it."""
        known = self._hashes.pop(name, None)
        return known[1] if known and known[0] == size else None

    def keep_hash(self, name: str, size: int, state: _Hash) -> None:
        """Remember it for the next request."""
        self._hashes[name] = size, state
        if len(self._hashes) > _KEPT_HASHES:
            self._hashes.popitem(last=False)

    def _hold(self, name: str) -> int:
        path = self.data_path(name)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        except FileNotFoundError:
            raise upload_unknown(name) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # A finished upload is a blob by now, with other names: to write to it would be to write to the blob.
            if os.stat(path).st_ino != os.fstat(descriptor).st_ino:
                raise upload_unknown(name)
        except BlockingIOError:
            os.close(descriptor)
            message = "another request writes to this upload"
            raise Refusal("BLOB_UPLOAD_INVALID", message, status=409) from None
        except (FileNotFoundError, Refusal):
            os.close(descriptor)
            raise upload_unknown(name) from None
        return descriptor

    def _read_state(self, repository: str, name: str) -> _State:
        if not _ID.fullmatch(name):
            raise upload_unknown(name)
        try:
            with open(self.state_path(name), "rb") as file:
                state = msgspec.json.decode(file.read(), type=_State)
        except (FileNotFoundError, msgspec.DecodeError):
            raise upload_unknown(name) from None
        if state.repository != repository or state.algorithm not in HEX_LENGTHS:
            raise upload_unknown(name)
        return state


def _is_held(path: str) -> bool:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
