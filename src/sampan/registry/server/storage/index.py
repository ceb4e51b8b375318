# SPDX-License-Identifier: Apache-2.0
"""A repository's index.json: which manifests it has, and which tags point at them.

Implements: OCI image-spec 1.1, image-layout.md: tags are the annotation ``org.opencontainers.image.ref.name``.
Ours are two annotations more: when it was pushed, and a manifest's subject, so that referrers are found without
reading every manifest. Pure: a change gives a new index.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from sampan.oci.descriptor import REFERENCE_NAME
from sampan.oci.media_type import OCI_INDEX

PUSHED = "io.sampan.registry.pushed"
SUBJECT = "io.sampan.registry.subject"


@dataclass(frozen=True, slots=True)
class Record:
    """One manifest; digests are in their written form, as they are keys only."""

    digest: str
    media_type: str
    size: int
    artifact_type: str = ""
    subject: str = ""
    pushed_ns: int = 0


@dataclass(frozen=True, slots=True)
class TagMark:
    """Where a tag points, and since when."""

    digest: str
    pushed_ns: int


@dataclass(frozen=True, slots=True)
class RepositoryIndex:
    """All manifests by digest, all tags by name; a tag's digest is always one of the manifests'."""

    manifests: Mapping[str, Record] = field(default_factory=dict)
    tags: Mapping[str, TagMark] = field(default_factory=dict)
    referrers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The digests of the manifests that have a subject, by that subject."""

    def find(self, reference: str) -> Record | None:
        """The manifest of a tag or digest."""
        mark = self.tags.get(reference)
        return self.manifests.get(mark.digest if mark else reference)

    def with_manifest(self, record: Record, tags: Iterable[str] = ()) -> RepositoryIndex:
        """Add a manifest, or keep the one that is there, and let tags point at it."""
        known = self.manifests.get(record.digest)
        kept = replace(record, pushed_ns=known.pushed_ns) if known else record
        marks = {tag: TagMark(record.digest, record.pushed_ns) for tag in tags}
        return _build({**self.manifests, record.digest: kept}, {**self.tags, **marks})

    def without_tags(self, tags: Iterable[str]) -> RepositoryIndex:
        """Remove tags; what they pointed at stays."""
        gone = set(tags)
        return _build(self.manifests, {name: mark for name, mark in self.tags.items() if name not in gone})

    def without_manifests(self, digests: Iterable[str]) -> RepositoryIndex:
        """Remove manifests and the tags that point at them."""
        gone = set(digests)
        return _build(
            {digest: record for digest, record in self.manifests.items() if digest not in gone},
            {name: mark for name, mark in self.tags.items() if mark.digest not in gone},
        )


class _Descriptor(msgspec.Struct, rename="camel", omit_defaults=True):
    media_type: str
    digest: str
    size: int
    artifact_type: str = ""
    annotations: dict[str, str] = {}


class _Document(msgspec.Struct, rename="camel"):
    schema_version: int = 2
    media_type: str = OCI_INDEX
    manifests: list[_Descriptor] = []


_decoder = msgspec.json.Decoder(_Document)
_encoder = msgspec.json.Encoder()


def decode_repository_index(raw: bytes) -> RepositoryIndex:
    """Read what `encode_repository_index` wrote."""
    manifests: dict[str, Record] = {}
    tags: dict[str, TagMark] = {}
    for item in _decoder.decode(raw).manifests:
        pushed_ns = int(item.annotations.get(PUSHED, "0"))
        record = manifests.get(item.digest)
        if record is None or pushed_ns < record.pushed_ns:
            manifests[item.digest] = Record(
                item.digest,
                item.media_type,
                item.size,
                item.artifact_type,
                item.annotations.get(SUBJECT, ""),
                pushed_ns,
            )
        tag = item.annotations.get(REFERENCE_NAME)
        if tag:
            tags[tag] = TagMark(item.digest, pushed_ns)
    return _build(manifests, tags)


def encode_repository_index(index: RepositoryIndex) -> bytes:
    """The document: a descriptor for each tag, and one for each manifest that has no tag."""
    tagged = {mark.digest for mark in index.tags.values()}
    items = [
        _describe(record, record.pushed_ns, "")
        for digest, record in index.manifests.items()
        if digest not in tagged
    ]
    items += [
        _describe(index.manifests[mark.digest], mark.pushed_ns, tag) for tag, mark in index.tags.items()
    ]
    return _encoder.encode(_Document(manifests=items))


def _describe(record: Record, pushed_ns: int, tag: str) -> _Descriptor:
    annotations = {PUSHED: str(pushed_ns)}
    if tag:
        annotations[REFERENCE_NAME] = tag
    if record.subject:
        annotations[SUBJECT] = record.subject
    return _Descriptor(record.media_type, record.digest, record.size, record.artifact_type, annotations)


def _build(manifests: Mapping[str, Record], tags: Mapping[str, TagMark]) -> RepositoryIndex:
    referrers: dict[str, list[str]] = {}
    for record in manifests.values():
        if record.subject:
            referrers.setdefault(record.subject, []).append(record.digest)
    return RepositoryIndex(manifests, tags, referrers)
