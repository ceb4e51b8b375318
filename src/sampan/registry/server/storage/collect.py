# SPDX-License-Identifier: Apache-2.0
"""Garbage: blobs that no manifest needs, manifests that nothing reaches, uploads that nobody goes on with.

Runs beside a server that serves, in its process or another. Holds: a repository is looked through under its lock, and
what is younger than the time of grace stays; each step is one unlink, so being killed in the middle harms nothing.
Which manifests go is planned apart, as data (`plan_unreached`).
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from sampan.errors import DataCorrupt
from sampan.oci.digest import HEX_LENGTHS
from sampan.registry.server.storage.documents import Document
from sampan.registry.server.storage.index import RepositoryIndex
from sampan.registry.server.storage.repository import Repository, sweep_partials, walk_blobs
from sampan.registry.server.storage.store import Store

logger = logging.getLogger(__name__)

Documents = dict[str, Document]


@dataclass(frozen=True, slots=True)
class Grace:
    """How long things are kept that nothing needs."""

    blobs_s: float = 3600.0
    uploads_s: float = 24 * 3600.0
    untagged_s: float | None = None
    """Manifests without a tag; None: for ever, as they can be pulled by their digest."""


@dataclass(slots=True)
class Collected:
    """What was removed, or would be."""

    manifests: int = 0
    blobs: int = 0
    bytes: int = 0
    uploads: int = 0


def collect(store: Store, grace: Grace, *, is_trial: bool = False) -> Collected:
    """Remove garbage from all repositories and from the registry."""
    found = Collected()
    now_s = time.time()
    for name in store.repositories():
        try:
            _collect_repository(store.repository(name), grace, now_s, found, is_trial=is_trial)
        except (DataCorrupt, FileNotFoundError):
            # A manifest that cannot be read may need anything: nothing is removed beside it.
            logger.exception("%s: garbage stays", name)
    _collect_pool(store, now_s - grace.blobs_s, found, is_trial=is_trial)
    if not is_trial:
        found.uploads = store.uploads.sweep(grace.uploads_s)
    return found


def read_documents(
    repository: Repository, index: RepositoryIndex, known: Documents | None = None
) -> Documents:
    """All manifests of an index, understood; those that are known are not read again."""
    known = known or {}
    return {
        digest: known.get(digest) or repository.document(record) for digest, record in index.manifests.items()
    }


def plan_unreached(
    index: RepositoryIndex, documents: Mapping[str, Document], roots: Iterable[str]
) -> set[str]:
    """The manifests that cannot be reached from these, as a child of an index or by referring to what is reached."""
    reached: set[str] = set()
    waiting = list(roots)
    while waiting:
        digest = waiting.pop()
        if digest in reached or digest not in documents:
            continue
        reached.add(digest)
        waiting += [str(child.digest) for child in documents[digest].children]
        waiting += index.referrers.get(digest, ())
    return set(index.manifests) - reached


def needed_blobs(documents: Mapping[str, Document]) -> set[str]:
    """The digests of everything that manifests consist of, themselves included."""
    needed = set(documents)
    for document in documents.values():
        needed.update(str(blob.digest) for blob in document.blobs)
    return needed


def _collect_repository(
    repository: Repository, grace: Grace, now_s: float, found: Collected, *, is_trial: bool
) -> None:
    known = read_documents(repository, repository.index())  # before the lock: pushes need not wait for it
    with repository.lock():
        index = repository.index_to_change()
        documents = read_documents(repository, index, known)
        doomed = _find_untagged(index, documents, grace, now_s)
        for digest in doomed:
            del documents[digest]
        found.manifests += len(doomed)
        if doomed and not is_trial:
            repository.write_index(index.without_manifests(doomed))
        _remove_blobs(repository, needed_blobs(documents), now_s - grace.blobs_s, found, is_trial=is_trial)
        if not is_trial:
            sweep_partials(f"{repository.path}/blobs", now_s - grace.blobs_s)
        if not documents and not is_trial:
            _remove_if_empty(repository)


def _find_untagged(
    index: RepositoryIndex, documents: Documents, grace: Grace, now_s: float
) -> Collection[str]:
    if grace.untagged_s is None:
        return ()
    limit_ns = int((now_s - grace.untagged_s) * 1e9)
    young = [digest for digest, record in index.manifests.items() if record.pushed_ns >= limit_ns]
    return plan_unreached(index, documents, [*young, *(mark.digest for mark in index.tags.values())])


def _remove_blobs(
    repository: Repository, needed: set[str], limit_s: float, found: Collected, *, is_trial: bool
) -> None:
    for digest, status in repository.walk_blobs():
        if str(digest) not in needed and status.st_ctime < limit_s:
            found.blobs += 1
            if not is_trial:
                repository.remove_blob(digest)


def _collect_pool(store: Store, limit_s: float, found: Collected, *, is_trial: bool) -> None:
    """Blobs with one name left: no repository has them."""
    if not is_trial:
        sweep_partials(f"{store.tree.root}/blobs", limit_s)
    for digest, status in walk_blobs(f"{store.tree.root}/blobs"):
        if status.st_nlink == 1 and status.st_ctime < limit_s:
            found.bytes += status.st_size
            if not is_trial:
                with suppress(FileNotFoundError):
                    os.unlink(store.tree.blob(digest))


def _remove_if_empty(repository: Repository) -> None:
    """Remove the directories, unless a blob arrives meanwhile: then they cannot be, and are made whole again.

    The lock's file goes last, so that who waits for it sees that it is not the lock any more.
    """
    try:
        for algorithm in HEX_LENGTHS:
            os.rmdir(f"{repository.path}/blobs/{algorithm}")
        os.rmdir(f"{repository.path}/blobs")
    except OSError:
        repository.ensure()
        return
    for name in ("index.json", "oci-layout", "lock"):
        os.unlink(f"{repository.path}/{name}")
    path = repository.path
    with suppress(OSError):  # another repository is below the same directory
        while os.path.basename(path) != "repositories":
            os.rmdir(path)
            path = os.path.dirname(path)
