# SPDX-License-Identifier: Apache-2.0
"""The face of the storage: what the protocol asks of it, each call whole or not at all.

Every call may block on the disk, so a server makes those that write in threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from functools import lru_cache

from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest, parse_digest
from sampan.oci.document import InvalidDocument
from sampan.registry.server.errors import (
    Refusal,
    blob_unknown,
    digest_invalid,
    manifest_invalid,
    manifest_unknown,
)
from sampan.registry.server.names import is_repository
from sampan.registry.server.storage.documents import Document, decode_document, is_needed
from sampan.registry.server.storage.index import Record, RepositoryIndex
from sampan.registry.server.storage.quota import QuotaKeeper, Quotas
from sampan.registry.server.storage.repository import IndexCache, Repository, now_ns
from sampan.registry.server.storage.tree import Tree, link_blob
from sampan.registry.server.storage.upload import Upload
from sampan.registry.server.storage.uploads import Uploads

_KEPT_REPOSITORIES = 4096


class Store:
    """Everything that one registry keeps, below one directory."""

    def __init__(self, root: str, quotas: Quotas | None = None) -> None:
        self.tree = Tree(root)
        self.room = QuotaKeeper(quotas or Quotas(), f"{self.tree.root}/blobs")
        self.uploads = Uploads(self.tree)
        cache = IndexCache()
        self.repository: Callable[[str], Repository] = lru_cache(_KEPT_REPOSITORIES)(
            lambda name: Repository(self.tree, name, cache)
        )

    def repositories(self) -> Iterator[str]:
        """The names of those that exist."""
        return (name for name in self.tree.iter_repositories() if is_repository(name))

    def has_blob(self, digest: Digest) -> bool:
        """Whether any repository has it."""
        return os.path.exists(self.tree.blob(digest))

    def stored_bytes(self) -> int:
        """What all blobs take, about."""
        return self.room.count_total()

    def keep(self, upload: Upload, expected: Digest) -> None:
        """Make a finished upload a blob of its repository."""
        try:
            upload.check(expected)
            self.require_room(self.repository(upload.repository), expected, upload.size)
            upload.sync()
            if not self._adopt(upload, expected):
                repository = self.repository(upload.repository)
                with repository.lock():  # what was here may be what is being collected
                    self._adopt(upload, expected)
                    repository.renew(expected)
        finally:
            upload.discard()

    def room_for(self, upload: Upload) -> int | None:
        """How many bytes more an upload may bring; None: any number."""
        return self.room.left(self.repository(upload.repository), upload.size, self.uploads.total_bytes)

    def require_room(self, repository: Repository, digest: Digest, size: int) -> None:
        """Refuse a blob that is too much for the quotas; one that is here already is not."""
        if repository.blob_size(digest) is None:
            self.room.require(repository, size)

    def mount(self, repository: Repository, digest: Digest, source: Repository) -> bool:
        """Take a blob over from another repository; whether that has it."""
        size = source.blob_size(digest)
        if size is None:
            return False
        self.require_room(repository, digest, size)
        try:
            if not repository.link(source.blob(digest), digest, size):
                with repository.lock():
                    repository.link(source.blob(digest), digest, size)
                    repository.renew(digest)
        except FileNotFoundError:
            return False
        return True

    def renew(self, repository: Repository, digest: Digest) -> int | None:
        """The blob's size, if it is here and now stays for the time of grace."""
        try:
            with repository.lock():
                repository.renew(digest)
                return repository.blob_size(digest)
        except FileNotFoundError:
            return None

    def put_manifest(
        self,
        repository: Repository,
        raw: bytes,
        declared_type: str,
        expected: Digest | None,
        tags: Collection[str],
        *,
        is_complete: bool = True,
        precondition: Callable[[RepositoryIndex], None] | None = None,
    ) -> tuple[Record, Document]:
        """Keep a manifest, and let tags point at it. `is_complete`: all that it refers to must be here."""
        document = _decode(raw, declared_type)
        digest = Digest.of(raw, expected.algorithm if expected else "sha256")
        if expected is not None and digest != expected:
            raise digest_invalid(str(expected))
        record = Record(
            str(digest),
            document.media_type,
            len(raw),
            document.artifact_type,
            str(document.subject.digest) if document.subject else "",
            now_ns(),
        )
        upload = self.uploads.start(repository.name, digest.algorithm)
        try:
            upload.write([raw])
            upload.sync()
            with repository.lock():
                index = repository.index_to_change()
                if precondition is not None:
                    precondition(index)
                self.require_room(repository, digest, len(raw))
                if is_complete:
                    require_references(repository, index, document)
                self._adopt(upload, digest)
                repository.sync_blobs([digest.algorithm, *(blob.digest.algorithm for blob in document.blobs)])
                repository.write_index(index.with_manifest(record, tags))
        finally:
            upload.discard()
        return record, document

    def remove_manifest(self, repository: Repository, reference: str) -> None:
        """Remove a tag, or by its digest a manifest with all its tags; its blobs go when they are collected."""
        if not repository.exists:
            raise manifest_unknown(repository.name, reference)
        with repository.lock():
            index = repository.index_to_change()
            if reference in index.tags:
                repository.write_index(index.without_tags([reference]))
            elif reference in index.manifests:
                repository.write_index(index.without_manifests([reference]))
                repository.remove_blob(parse_digest(reference))
            else:
                raise manifest_unknown(repository.name, reference)

    def remove_blob(self, repository: Repository, digest: Digest) -> None:
        """Remove a blob that no manifest of the repository needs."""
        if not repository.exists:
            raise blob_unknown(digest)
        with repository.lock():
            user = _find_user(repository, digest)
            if user:
                raise Refusal(
                    "UNSUPPORTED", f"the blob is part of manifest {user}", detail={"manifest": user}
                )
            if not repository.remove_blob(digest):
                raise blob_unknown(digest)

    def _adopt(self, upload: Upload, digest: Digest) -> bool:
        """Give the bytes of an upload, which are checked and synced, their names; whether the repository's is new."""
        pool = self.tree.blob(digest)
        repository = self.repository(upload.repository)
        while True:
            link_blob(upload.path, pool, upload.size)
            try:
                return repository.link(pool, digest, upload.size)
            except FileNotFoundError:
                continue  # collected between the two lines, as nobody used it yet


def require_references(repository: Repository, index: RepositoryIndex, document: Document) -> None:
    """Everything that the document needs is in the repository, and as large as it says."""
    missing: list[Descriptor] = []
    for blob in {blob.digest: blob for blob in document.blobs}.values():
        size = repository.blob_size(blob.digest)
        if size is None and is_needed(blob):
            missing.append(blob)
        elif size is not None and size != blob.size:
            raise manifest_invalid(f"blob {blob.digest} has {size} bytes, not {blob.size}")
    for child in document.children:
        record = index.manifests.get(str(child.digest))
        if record is None:
            missing.append(child)
        elif record.size != child.size:
            raise manifest_invalid(f"manifest {child.digest} has {record.size} bytes, not {child.size}")
    if missing:
        first, *others = (_missing(descriptor) for descriptor in missing[:100])
        raise Refusal(first.code, first.message, detail=first.detail, others=tuple(others))


def _missing(descriptor: Descriptor) -> Refusal:
    detail = {"digest": str(descriptor.digest)}
    return Refusal("MANIFEST_BLOB_UNKNOWN", "blob unknown to registry", detail=detail)


def _decode(raw: bytes, declared_type: str) -> Document:
    try:
        return decode_document(raw, declared_type)
    except InvalidDocument as error:
        raise manifest_invalid(error.message) from error


def _find_user(repository: Repository, digest: Digest) -> str:
    index = repository.index_to_change()
    if str(digest) in index.manifests:
        return str(digest)
    for record in index.manifests.values():
        if any(blob.digest == digest for blob in repository.document(record).blobs):
            return record.digest
    return ""
