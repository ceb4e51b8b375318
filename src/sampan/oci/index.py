# SPDX-License-Identifier: Apache-2.0
"""Image indexes: one name, an image for each platform.

Implements: OCI image-spec 1.1, image-index.md; Docker manifest list; the index.json of image-layout.md.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from sampan.errors import NotFound
from sampan.oci import media_type
from sampan.oci.descriptor import Descriptor, decode_descriptor, encode_descriptor
from sampan.oci.digest import Digest
from sampan.oci.document import (
    InvalidDocument,
    JSONObject,
    decode_object,
    encode_object,
    get_list,
    get_string,
    get_string_map,
)
from sampan.oci.platform import Platform, match_rank

# BuildKit lists its provenance attestations as images for a platform that no machine has.
_ATTESTATION = "vnd.docker.reference.type"
_ATTESTED = "vnd.docker.reference.digest"
_UNSTATED_RANK = 100


@dataclass(frozen=True, slots=True)
class Index:
    """Descriptors of manifests (or of further indexes), as they came."""

    raw: bytes
    media_type: str
    manifests: tuple[Descriptor, ...]
    annotations: Mapping[str, str]

    @property
    def digest(self) -> Digest:
        """The index's own digest."""
        return Digest.of(self.raw)

    def select(self, platform: Platform) -> Descriptor:
        """The best image for a platform; the first of equals, as the publisher ordered them."""
        ranked = [
            (rank, position)
            for position, descriptor in enumerate(self.manifests)
            if (rank := _rank(descriptor, platform)) is not None
        ]
        if not ranked:
            raise NotFound(f"no matching manifest for {platform} in the manifest list entries")
        return self.manifests[min(ranked)[1]]


def decode_index(raw: bytes, declared_type: str = "") -> Index:
    """Read an index or a Docker manifest list."""
    source = decode_object(raw, "index")
    kind = get_string(source, "mediaType", "index") or declared_type or media_type.OCI_INDEX
    if kind not in media_type.INDEXES:
        raise InvalidDocument(f"index has the unsupported media type {kind!r}")
    if "config" in source or "layers" in source:
        # CVE-2021-41190, the other way round.
        raise InvalidDocument("index has fields of another kind of document")
    return Index(
        raw=raw,
        media_type=kind,
        manifests=tuple(
            decode_descriptor(item, "index manifest") for item in get_list(source, "manifests", "index")
        ),
        annotations=get_string_map(source, "annotations", "index"),
    )


def is_attestation(descriptor: Descriptor, *, of: Collection[str] | None = None) -> bool:
    """Whether it is not an image but says something about one (`of`: one with any of these digests)."""
    if _ATTESTATION not in descriptor.annotations:
        return False
    return of is None or descriptor.annotations.get(_ATTESTED) in of


def attested_digest(descriptor: Descriptor) -> str:
    """What an attestation is about; nothing if it does not say."""
    return descriptor.annotations.get(_ATTESTED, "")


def encode_index(
    manifests: Iterable[Descriptor], *, docker: bool = False, annotations: Mapping[str, str] | None = None
) -> bytes:
    """A new index's bytes: OCI's, or Docker's manifest list."""
    fields: JSONObject = {
        "schemaVersion": 2,
        "mediaType": media_type.DOCKER_LIST if docker else media_type.OCI_INDEX,
        "manifests": [encode_descriptor(descriptor) for descriptor in manifests],
    }
    if annotations:
        fields["annotations"] = dict(annotations)
    return encode_object(fields)


def _rank(descriptor: Descriptor, platform: Platform) -> int | None:
    if is_attestation(descriptor):
        return None
    if descriptor.platform is None:
        # An index of one image need not say for which platform; anything that does say so is better.
        return _UNSTATED_RANK
    return match_rank(platform, descriptor.platform)
