# SPDX-License-Identifier: Apache-2.0
"""One repository on disk: its index, its manifests, and its links to blobs.

Holds: `edit` is the only way in which an index changes, under the repository's lock and in one step. Reading takes no
lock: an index is read whole, and what it names is there.
"""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from sampan.errors import DataCorrupt
from sampan.oci.digest import Digest, parse_digest
from sampan.oci.document import encode_object
from sampan.registry.server.storage.documents import Document, decode_document
from sampan.registry.server.storage.index import (
    Record,
    RepositoryIndex,
    decode_repository_index,
    encode_repository_index,
)
from sampan.registry.server.storage.tree import (
    Tree,
    ensure_blob_directories,
    link_blob,
    locked,
    sync_directory,
    sync_parents,
    unlink_if_there,
)

MAX_MANIFEST_BYTES = 4 << 20
_LAYOUT = encode_object({"imageLayoutVersion": "1.0.0"})
_CACHED_INDEXES = 256
_EMPTY = RepositoryIndex()

Mark = tuple[int, int, int]


class IndexCache:
    """Indexes that this process has read lately, each valid while its file is the same."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[Mark, RepositoryIndex]] = OrderedDict()

    def read(self, path: str) -> RepositoryIndex:
        """The index in this file; an empty one where there is none."""
        try:
            status = os.stat(path)
        except FileNotFoundError:
            return _EMPTY
        mark = (status.st_ino, status.st_mtime_ns, status.st_size)
        known = self._known.get(path)
        if known is not None and known[0] == mark:
            return known[1]
        return self.read_file(path)

    def read_file(self, path: str) -> RepositoryIndex:
        """The same, whatever has been read before."""
        try:
            with open(path, "rb") as file:
                status = os.fstat(file.fileno())
                index = decode_repository_index(file.read())
        except FileNotFoundError:
            return _EMPTY
        self._known[path] = (status.st_ino, status.st_mtime_ns, status.st_size), index
        if len(self._known) > _CACHED_INDEXES:
            self._known.popitem(last=False)
        return index


class Repository:
    """A repository that may exist or not; its name has been checked."""

    def __init__(self, tree: Tree, name: str, cache: IndexCache) -> None:
        self.name = name
        self.path = tree.image(name)
        self._tree = tree
        self._cache = cache

    @property
    def exists(self) -> bool:
        """Whether anything has been pushed to it."""
        return os.path.exists(f"{self.path}/oci-layout")

    def index(self) -> RepositoryIndex:
        """What it holds now."""
        return self._cache.read(f"{self.path}/index.json")

    def index_to_change(self) -> RepositoryIndex:
        """The same, read anew. Under the lock: a time stamp is too coarse to be sure that a file is the same."""
        return self._cache.read_file(f"{self.path}/index.json")

    def blob(self, digest: Digest) -> str:
        """Where a blob of it lies, if it has it."""
        return f"{self.path}/blobs/{digest.algorithm}/{digest.hex}"

    def blob_size(self, digest: Digest) -> int | None:
        """The size of a blob of it; None if it does not have it."""
        try:
            return os.stat(self.blob(digest)).st_size
        except FileNotFoundError:
            return None

    def renew(self, digest: Digest) -> None:
        """Let a blob's time of grace begin anew: somebody is told that it is here. Under the lock."""
        os.utime(self.blob(digest))

    def read_manifest(self, record: Record) -> bytes:
        """The bytes of a manifest of its index."""
        path = self.blob(parse_digest(record.digest))
        with open(path, "rb", buffering=0) as file:
            raw = file.read(MAX_MANIFEST_BYTES + 1)
        if len(raw) != record.size:
            raise DataCorrupt(
                f"{self.name}: manifest {record.digest} has {len(raw)} bytes, not {record.size}"
            )
        return raw

    def document(self, record: Record) -> Document:
        """A manifest of its index, understood."""
        return decode_document(self.read_manifest(record), record.media_type)

    def link(self, source: str, digest: Digest, size: int) -> bool:
        """Take over a blob; whether it is new here. Raises FileNotFoundError when `source` is gone."""
        try:
            return link_blob(source, self.blob(digest), size)
        except FileNotFoundError:
            self.ensure()
            return link_blob(source, self.blob(digest), size)

    def remove_blob(self, digest: Digest) -> bool:
        """Let go of a blob; whether it was here. Under the lock, and only of one that nothing needs."""
        return unlink_if_there(self.blob(digest))

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Nobody else changes the repository meanwhile. It comes into being, if it was not there."""
        with ExitStack() as stack:
            while True:
                try:
                    if not self.exists:
                        self.ensure()
                    stack.enter_context(locked(f"{self.path}/lock"))
                    break
                except FileNotFoundError:  # it was removed, as it was empty, while we waited
                    continue
            yield

    def write_index(self, index: RepositoryIndex) -> None:
        """Make this the index. Under the lock."""
        self._tree.replace(f"{self.path}/index.json", encode_repository_index(index))

    def sync_blobs(self, algorithms: Iterable[str]) -> None:
        """The links of blobs are on disk: before an index says that they are here."""
        for algorithm in set(algorithms):
            sync_directory(f"{self.path}/blobs/{algorithm}")

    def walk_blobs(self) -> Iterator[tuple[Digest, os.stat_result]]:
        """Every blob that it has a link to."""
        yield from walk_blobs(f"{self.path}/blobs")

    def ensure(self) -> None:
        """Make it a repository, if it is none yet."""
        ensure_blob_directories(f"{self.path}/blobs")
        sync_parents(f"{self.path}/blobs", self._tree.repositories)
        if not os.path.exists(f"{self.path}/index.json"):
            self._tree.create(f"{self.path}/index.json", encode_repository_index(_EMPTY))
        if not os.path.exists(f"{self.path}/oci-layout"):
            self._tree.create(f"{self.path}/oci-layout", _LAYOUT)


def walk_blobs(path: str) -> Iterator[tuple[Digest, os.stat_result]]:
    """The blobs below a ``blobs`` directory; files that are still being made are none."""
    try:
        algorithms = sorted(os.listdir(path))
    except FileNotFoundError:
        return
    for algorithm in algorithms:
        with os.scandir(f"{path}/{algorithm}") as entries:
            for entry in entries:
                if "." not in entry.name:
                    try:
                        yield Digest(algorithm, entry.name), entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue


def sweep_partials(path: str, limit_s: float) -> None:
    """Remove copies of blobs that somebody was killed while making, once they are as old as that."""
    for algorithm in os.listdir(path):
        with os.scandir(f"{path}/{algorithm}") as entries:
            for entry in entries:
                with suppress(FileNotFoundError):
                    if "." in entry.name and entry.stat(follow_symlinks=False).st_ctime < limit_s:
                        os.unlink(entry.path)


def now_ns() -> int:
    """The time that is written beside a push."""
    return time.time_ns()
