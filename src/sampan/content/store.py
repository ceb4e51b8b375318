# SPDX-License-Identifier: Apache-2.0
"""The content store: bytes named by their digest.

Implements: OCI image-spec 1.1, image-layout.md. `index.json` stays empty: names are kept in state.db.
Holds: a file below ``blobs/`` is whole and has the digest of its name. It is written in ``ingest/``, synced,
and renamed; what a kill -9 leaves in ``ingest/`` is removed when the store is opened the next time.
"""

from __future__ import annotations

import errno
import os
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from sampan.content.writer import BlobWriter
from sampan.errors import DataCorrupt, InvalidArgument, NotFound
from sampan.oci.digest import HEX_LENGTHS, Digest, DigestMismatch
from sampan.oci.document import MAX_DOCUMENT_BYTES, encode_object
from sampan.oci.index import encode_index

_LAYOUT = {"imageLayoutVersion": "1.0.0"}


class BlobNotFound(NotFound):
    """No blob of this digest is here."""

    def __init__(self, digest: Digest) -> None:
        super().__init__(f"blob {digest} is not in the content store")
        self.digest = digest


class ContentStore:
    """The blobs below one directory. Safe to use from several threads, by one engine."""

    def __init__(self, root: str) -> None:
        self.root = os.path.abspath(root)
        self._leases: Counter[Digest] = Counter()
        self._lease_lock = threading.Lock()
        for algorithm in HEX_LENGTHS:
            os.makedirs(f"{self.root}/blobs/{algorithm}", mode=0o711, exist_ok=True)
        os.makedirs(self._ingest, mode=0o700, exist_ok=True)
        self._ensure_document("oci-layout", encode_object(_LAYOUT))
        self._ensure_document("index.json", encode_index([]))
        self.sweep()

    def has(self, digest: Digest) -> bool:
        """Whether the blob is here."""
        return os.path.exists(self.path(digest))

    def size(self, digest: Digest) -> int:
        """The blob's length in bytes."""
        try:
            return os.stat(self.path(digest)).st_size
        except FileNotFoundError as error:
            raise BlobNotFound(digest) from error

    def open(self, digest: Digest) -> BinaryIO:
        """The blob as a file, unbuffered, to be closed by the caller."""
        try:
            return open(self.path(digest), "rb", buffering=0)
        except FileNotFoundError as error:
            raise BlobNotFound(digest) from error

    def read(self, digest: Digest, limit_bytes: int = MAX_DOCUMENT_BYTES) -> bytes:
        """A small blob's bytes, checked against the digest."""
        with self.open(digest) as file:
            data = file.read(limit_bytes + 1)
        if len(data) > limit_bytes:
            raise DataCorrupt(f"blob {digest} is larger than {limit_bytes} bytes")
        actual = Digest.of(data, digest.algorithm)
        if actual != digest:
            raise DigestMismatch(digest, actual)
        return data

    def writer(self, expected: Digest | None = None, size_bytes: int | None = None) -> BlobWriter:
        """A context manager to write one blob with; see BlobWriter."""
        return BlobWriter(self._ingest, self.path, expected=expected, size_bytes=size_bytes)

    def write(self, data: bytes, expected: Digest | None = None) -> Digest:
        """Keep these bytes."""
        digest = Digest.of(data, expected.algorithm if expected else "sha256")
        if expected is not None and digest != expected:
            raise DigestMismatch(expected, digest)
        if not self.has(digest):
            with self.writer(digest, len(data)) as writer:
                writer.write(data)
                writer.commit()
        return digest

    @contextmanager
    def lease(self, digests: Iterable[Digest]) -> Iterator[None]:
        """Keep these from removal during the block, whether they are here yet or not."""
        kept = list(digests)
        with self._lease_lock:
            self._leases.update(kept)
        try:
            yield
        finally:
            with self._lease_lock:
                self._leases.subtract(kept)
                self._leases = +self._leases

    def remove(self, digest: Digest) -> None:
        """Delete the blob; it is no error if it is gone. Readers that have it open keep it.

        One that is leased stays: who holds the lease looks afterwards whether anybody needs it.
        """
        with self._lease_lock:
            if digest in self._leases:
                return
            try:
                os.unlink(self.path(digest))
            except FileNotFoundError:
                return

    def walk(self) -> Iterator[tuple[Digest, int]]:
        """Every blob and its size, in no particular order."""
        for algorithm, length in HEX_LENGTHS.items():
            with os.scandir(f"{self.root}/blobs/{algorithm}") as entries:
                for entry in entries:
                    if len(entry.name) == length:
                        yield Digest(algorithm, entry.name), entry.stat(follow_symlinks=False).st_size

    def path(self, digest: Digest) -> str:
        """Where the blob lies, if it is here."""
        if HEX_LENGTHS.get(digest.algorithm) != len(digest.hex) or not digest.hex.isalnum():
            raise InvalidArgument("invalid checksum digest format")
        return f"{self.root}/blobs/{digest.algorithm}/{digest.hex}"

    def sweep(self) -> None:
        """Remove what interrupted writers have left. Only when no writer is at work."""
        for name in os.listdir(self._ingest):
            os.unlink(f"{self._ingest}/{name}")

    @property
    def _ingest(self) -> str:
        return self.root + "/ingest"

    def _ensure_document(self, name: str, data: bytes) -> None:
        path = f"{self.root}/{name}"
        try:
            if os.stat(path).st_size:
                return
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise
        with open(f"{self._ingest}/{name}", "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.rename(f"{self._ingest}/{name}", path)
