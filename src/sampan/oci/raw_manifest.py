# SPDX-License-Identifier: Apache-2.0
"""A manifest or an index as the bytes that it came as, and what can be said of those without decoding all of it.

Holds: it is never written again from what was understood of it, so its digest stays.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sampan.oci import media_type
from sampan.oci.descriptor import Descriptor, decode_descriptor
from sampan.oci.digest import Digest
from sampan.oci.document import decode_object, get_object, get_string, get_string_map


@dataclass(frozen=True, slots=True)
class RawManifest:
    """The bytes, and what they are."""

    raw: bytes
    media_type: str

    @property
    def digest(self) -> Digest:
        """Of the bytes."""
        return Digest.of(self.raw)

    @property
    def descriptor(self) -> Descriptor:
        """What an index would say of it."""
        return Descriptor.of(self.raw, self.media_type)

    @property
    def is_index(self) -> bool:
        """Whether it leads to further manifests."""
        return self.media_type in media_type.INDEXES

    @property
    def subject(self) -> Descriptor | None:
        """The manifest that it says it is about, if it is a referrer."""
        subject = decode_object(self.raw, "manifest").get("subject")
        return decode_descriptor(subject, "subject") if subject is not None else None

    @property
    def listed(self) -> Descriptor:
        """What a list of referrers says of it."""
        source = decode_object(self.raw, "manifest")
        config = get_object(source, "config", "manifest")
        kind = get_string(source, "artifactType", "manifest") or get_string(config, "mediaType", "manifest")
        annotations = get_string_map(source, "annotations", "manifest")
        return replace(self.descriptor, artifact_type=kind, annotations=annotations)
