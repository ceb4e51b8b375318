# SPDX-License-Identifier: Apache-2.0
"""Descriptors: how one blob points at another.

Implements: OCI image-spec 1.1, descriptor.md.
Holds: a field we do not know survives decode and encode (`extra`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sampan.oci.digest import Digest, InvalidDigest, parse_digest
from sampan.oci.document import (
    InvalidDocument,
    JSONObject,
    get_integer,
    get_object,
    get_string,
    get_string_map,
)
from sampan.oci.platform import Platform, decode_platform, encode_platform

REFERENCE_NAME = "org.opencontainers.image.ref.name"
IMAGE_NAME = "io.containerd.image.name"

_KNOWN = frozenset({"mediaType", "digest", "size", "platform", "annotations", "artifactType"})


@dataclass(frozen=True, slots=True)
class Descriptor:
    """Media type, digest and size of a blob, and what is said about it."""

    media_type: str
    digest: Digest
    size: int
    platform: Platform | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    artifact_type: str = ""
    extra: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def of(cls, raw: bytes, media_type: str) -> Descriptor:
        """Describe these bytes."""
        return cls(media_type, Digest.of(raw), len(raw))


def decode_descriptor(source: object, what: str) -> Descriptor:
    """Read a descriptor object; `what` names the document it stands in."""
    if not isinstance(source, dict):
        raise InvalidDocument(f"{what}: descriptor is not an object")
    size = get_integer(source, "size", what)
    if size < 0:
        raise InvalidDocument(f"{what}: descriptor has a negative size")
    platform = get_object(source, "platform", what)
    return Descriptor(
        media_type=get_string(source, "mediaType", what),
        digest=_decode_digest(source, what),
        size=size,
        platform=decode_platform(platform, what) if platform else None,
        annotations=get_string_map(source, "annotations", what),
        artifact_type=get_string(source, "artifactType", what),
        extra={key: value for key, value in source.items() if key not in _KNOWN},
    )


def encode_descriptor(descriptor: Descriptor) -> JSONObject:
    """The descriptor as a JSON object."""
    fields: JSONObject = {
        "mediaType": descriptor.media_type,
        "digest": str(descriptor.digest),
        "size": descriptor.size,
    }
    if descriptor.artifact_type:
        fields["artifactType"] = descriptor.artifact_type
    if descriptor.annotations:
        fields["annotations"] = dict(descriptor.annotations)
    if descriptor.platform is not None:
        fields["platform"] = encode_platform(descriptor.platform)
    return {**fields, **descriptor.extra}


def _decode_digest(source: JSONObject, what: str) -> Digest:
    try:
        return parse_digest(get_string(source, "digest", what))
    except InvalidDigest as error:
        raise InvalidDocument(f"{what}: descriptor: {error}") from error
