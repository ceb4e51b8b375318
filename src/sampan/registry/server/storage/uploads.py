# SPDX-License-Identifier: Apache-2.0
"""Uploads in progress: a file that grows, and beside it whose it is.

Holds: one request at a time writes to an upload (flock; a second is refused). What has been written stays when the
server is killed: the next process goes on from the file's length.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections import OrderedDict
from contextlib import suppress
from secrets import token_hex
from typing import TYPE_CHECKING

import msgspec

from sampan.oci.digest import HEX_LENGTHS
from sampan.registry.server.errors import Refusal, upload_unknown
from sampan.registry.server.storage.tree import Tree, unlink_if_there
from sampan.registry.server.storage.upload import DEFAULT_ALGORITHM, Upload, UploadState

if TYPE_CHECKING:
    from hashlib import _Hash

_ID = re.compile(r"[0-9a-f]{32}")
_KEPT_HASHES = 1024


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
        return Upload(self, name, UploadState(repository, algorithm), descriptor)

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

    def write_state(self, name: str, state: UploadState) -> None:
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

    def _read_state(self, repository: str, name: str) -> UploadState:
        if not _ID.fullmatch(name):
            raise upload_unknown(name)
        try:
            with open(self.state_path(name), "rb") as file:
                state = msgspec.json.decode(file.read(), type=UploadState)
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
