# SPDX-License-Identifier: Apache-2.0
"""What the pages show, read from the storage: plain values for the templates.

Holds: the amount of work is bounded: pages have ends, and a manifest that cannot be read is shown as far as it can.
A tag that holds the signatures of an image that is here is shown with the image, and not as one of its own.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from sampan.errors import DataCorrupt, NotFound
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import parse_digest
from sampan.oci.document import decode_object
from sampan.oci.media_type import CONFIGS
from sampan.registry.referrers import is_attachment_tag
from sampan.registry.server.storage.documents import Document
from sampan.registry.server.storage.index import Record, RepositoryIndex
from sampan.registry.server.storage.quota import repository_bytes
from sampan.registry.server.storage.repository import Repository
from sampan.registry.trust.bundle import BUNDLE_TYPE, PREDICATE_ANNOTATION
from sampan.registry.trust.payload import PREDICATE_TYPE

PAGE = 100
_MAX_CONFIG_BYTES = 1 << 20
_MAX_ANNOTATIONS = 30
_SIGNATURE_TYPES = ("cosign", "sigstore", "notary", "signature")
_PREDICATES = ("https://", "http://")
_UNREADABLE = (DataCorrupt, FileNotFoundError)


@dataclass(frozen=True, slots=True)
class RepositoryView:
    """A row of the front page."""

    name: str
    tags: int
    size: int
    pushed_ns: int


@dataclass(frozen=True, slots=True)
class ReferrerView:
    """A signature, or what else is said about an image."""

    digest: str
    kind: str
    origin: str

    @property
    def is_signature(self) -> bool:
        """Whether it looks like one."""
        if self.kind.startswith(_PREDICATES):
            return self.kind == PREDICATE_TYPE
        return any(word in self.kind for word in _SIGNATURE_TYPES)


@dataclass(frozen=True, slots=True)
class ImageView:
    """An image, an index or another artifact; in a list, `name` is its tag."""

    digest: str
    media_type: str
    size: int
    pushed_ns: int
    name: str = ""
    artifact_type: str = ""
    platforms: Sequence[str] = ()
    layers: Sequence[Descriptor] = ()
    children: Sequence[ImageView] = ()
    referrers: Sequence[ReferrerView] = ()
    annotations: Sequence[tuple[str, str]] = field(default_factory=tuple)

    @property
    def is_signed(self) -> bool:
        """Whether there is a signature, whoever's; how many is not said, as one may be kept in two ways."""
        return any(one.is_signature for one in self.referrers)


def view_repository(repository: Repository) -> RepositoryView:
    """One row of the front page."""
    index = repository.index()
    pushed = max((mark.pushed_ns for mark in index.tags.values()), default=0)
    return RepositoryView(repository.name, len(_own_tags(index)), repository_bytes(repository), pushed)


def view_tags(repository: Repository, last: str) -> tuple[list[ImageView], str]:
    """A page of a repository's tags, and where the next begins."""
    index = repository.index()
    names = _own_tags(index)
    names = names[bisect_right(names, last) :]
    page = [_view(repository, index, index.manifests[index.tags[tag].digest], tag) for tag in names[:PAGE]]
    return page, names[PAGE - 1] if len(names) > PAGE else ""


def view_image(repository: Repository, reference: str) -> ImageView:
    """One image with everything that is known of it."""
    index = repository.index()
    record = index.find(reference)
    if record is None:
        raise NotFound("there is no such image here")
    return _view(repository, index, record, reference)


def _own_tags(index: RepositoryIndex) -> list[str]:
    return sorted(
        tag
        for tag in index.tags
        if not (is_attachment_tag(tag) and tag.partition(".")[0].replace("-", ":", 1) in index.manifests)
    )


def _view(repository: Repository, index: RepositoryIndex, record: Record, name: str) -> ImageView:
    mark = index.tags.get(name)
    pushed_ns = mark.pushed_ns if mark else record.pushed_ns
    referrers = list(_iter_referrers(repository, index, record.digest))
    try:
        document = repository.document(record)
    except _UNREADABLE:
        return ImageView(record.digest, record.media_type, record.size, pushed_ns, name, referrers=referrers)
    children = [_view_child(repository, index, child) for child in document.children[:PAGE]]
    own = record.size + sum(blob.size for blob in document.blobs)
    return ImageView(
        record.digest,
        record.media_type,
        own + sum(child.size for child in children),
        pushed_ns,
        name,
        "" if record.artifact_type in CONFIGS else record.artifact_type,
        _platforms(repository, document, children),
        document.blobs[1:],
        children,
        referrers,
        sorted((document.annotations or {}).items())[:_MAX_ANNOTATIONS],
    )


def _view_child(repository: Repository, index: RepositoryIndex, child: Descriptor) -> ImageView:
    record = index.manifests.get(str(child.digest))
    size = child.size
    if record is not None:
        with suppress(*_UNREADABLE):
            size += sum(blob.size for blob in repository.document(record).blobs)
    platforms = [str(child.platform)] if child.platform else []
    return ImageView(str(child.digest), child.media_type, size, 0, "", child.artifact_type, platforms)


def _platforms(repository: Repository, document: Document, children: Iterable[ImageView]) -> list[str]:
    if document.is_index:
        return sorted({platform for child in children for platform in child.platforms} - {"unknown/unknown"})
    config = document.blobs[0] if document.blobs else None
    if config is None or "image" not in config.media_type or config.size > _MAX_CONFIG_BYTES:
        return []
    try:
        with open(repository.blob(config.digest), "rb") as file:
            source = decode_object(file.read(_MAX_CONFIG_BYTES), "config")
    except _UNREADABLE:
        return []
    return [_format_platform(source)] if isinstance(source.get("os"), str) else []


def _statement_kind(repository: Repository, record: Record) -> str:
    """A bundle is a signature or an attestation, and says which."""
    with suppress(*_UNREADABLE):
        return (repository.document(record).annotations or {}).get(PREDICATE_ANNOTATION, record.artifact_type)
    return record.artifact_type


def _format_platform(source: Mapping[str, object]) -> str:
    parts = (source.get("os"), source.get("architecture"), source.get("variant"))
    return "/".join(part for part in parts if isinstance(part, str) and part)[:64]


def _iter_referrers(repository: Repository, index: RepositoryIndex, digest: str) -> Iterable[ReferrerView]:
    for referrer in index.referrers.get(digest, ())[:PAGE]:
        record = index.manifests[referrer]
        kind = record.artifact_type or record.media_type
        if kind == BUNDLE_TYPE:
            kind = _statement_kind(repository, record)
        yield ReferrerView(referrer, kind, "referrers API")
    parsed = parse_digest(digest)
    for ending, kind in ((".sig", "cosign signature"), (".att", "attestation"), (".sbom", "sbom")):
        tag = f"{parsed.algorithm}-{parsed.hex}{ending}"
        mark = index.tags.get(tag)
        if mark is not None:
            yield ReferrerView(mark.digest, kind, "tag")
