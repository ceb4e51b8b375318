# SPDX-License-Identifier: Apache-2.0
"""What a signature says: which manifest, and under which name it was meant.

Implements: the "simple signing" payload of containers-signature(5) with cosign's type.
Holds: only the bytes that were signed are read; a payload with fields that we do not know where they would matter
is refused, as containers/image refuses it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from sampan.errors import DataCorrupt
from sampan.oci.digest import Digest, InvalidDigest, parse_digest

SIGNATURE_TYPE = "cosign container image signature"
MAX_PAYLOAD_BYTES = 64 << 10


class InvalidPayload(DataCorrupt):
    """The bytes that were signed are not of this form."""


@dataclass(frozen=True, slots=True)
class Payload:
    """A manifest's digest, the docker reference that it was signed for, and what the signer added."""

    digest: Digest
    reference: str
    annotations: Mapping[str, object] = field(default_factory=dict)


def encode_payload(payload: Payload) -> bytes:
    """The bytes to sign, as cosign would write them."""
    document = {
        "critical": {
            "identity": {"docker-reference": payload.reference},
            "image": {"docker-manifest-digest": str(payload.digest)},
            "type": SIGNATURE_TYPE,
        },
        "optional": dict(sorted(payload.annotations.items())) or None,
    }
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


def decode_payload(raw: bytes) -> Payload:
    """Read signed bytes."""
    source = _decode(raw)
    _require_keys(source, {"critical", "optional"}, "payload")
    critical = _object(source["critical"], "critical")
    _require_keys(critical, {"identity", "image", "type"}, "critical")
    if critical["type"] != SIGNATURE_TYPE:
        raise InvalidPayload(f"signature payload has the unknown type {critical['type']!r}")
    image, identity = _object(critical["image"], "image"), _object(critical["identity"], "identity")
    _require_keys(image, {"docker-manifest-digest"}, "image")
    _require_keys(identity, {"docker-reference"}, "identity")
    optional = source["optional"]
    return Payload(
        digest=_digest(image["docker-manifest-digest"]),
        reference=_string(identity["docker-reference"], "docker-reference"),
        annotations={} if optional is None else _object(optional, "optional"),
    )


def _decode(raw: bytes) -> dict[str, object]:
    if len(raw) > MAX_PAYLOAD_BYTES:
        raise InvalidPayload(f"signature payload is larger than {MAX_PAYLOAD_BYTES} bytes")
    try:
        return _object(json.loads(raw, object_pairs_hook=_unique), "payload")
    except (ValueError, RecursionError):
        raise InvalidPayload("signature payload is not valid JSON") from None


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A key that stands twice could be read in two ways."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise InvalidPayload("signature payload has a key twice")
    return found


def _require_keys(source: Mapping[str, object], keys: set[str], what: str) -> None:
    if set(source) != keys:
        raise InvalidPayload(f"signature payload: {what} must have exactly {', '.join(sorted(keys))}")


def _object(value: object, what: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise InvalidPayload(f"signature payload: {what} is not an object")
    return value


def _string(value: object, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidPayload(f"signature payload: {what} is not a string")
    return value


def _digest(value: object) -> Digest:
    try:
        return parse_digest(_string(value, "docker-manifest-digest"))
    except InvalidDigest:
        raise InvalidPayload("signature payload: docker-manifest-digest is no digest") from None
