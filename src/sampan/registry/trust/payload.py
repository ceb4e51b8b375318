# SPDX-License-Identifier: Apache-2.0
"""What a signature says: which manifest, and under which name it was meant.

Implements: the "simple signing" payload of containers-signature(5) with cosign's type; the in-toto statement that
cosign 3 signs, which names a digest and no repository.
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
STATEMENT_TYPE = "application/vnd.in-toto+json"
PREDICATE_TYPE = "https://sigstore.dev/cosign/sign/v1"
MAX_PAYLOAD_BYTES = 64 << 10

_STATEMENT = "https://in-toto.io/Statement/v1"


class InvalidPayload(DataCorrupt):
    """The bytes that were signed are not of this form."""


@dataclass(frozen=True, slots=True)
class Payload:
    """A manifest's digest, the docker reference that it was signed for (or none), and what the signer added."""

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
    return _encode(document)


def encode_statement(payload: Payload) -> bytes:
    """The bytes to sign for a bundle, as cosign 3 would write them; they say no name."""
    subject = {
        "digest": {payload.digest.algorithm: payload.digest.hex},
        "annotations": dict(sorted(payload.annotations.items())),
    }
    document = {"_type": _STATEMENT, "subject": [subject], "predicateType": PREDICATE_TYPE, "predicate": {}}
    return _encode(document)


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


def decode_statement(raw: bytes) -> Payload:
    """Read a signed in-toto statement that is cosign's signature of an image; attestations are none."""
    source = _decode(raw)
    if source.get("_type") != _STATEMENT or source.get("predicateType") != PREDICATE_TYPE:
        raise InvalidPayload(f"signed statement is no signature of an image: {source.get('predicateType')!r}")
    subjects = source.get("subject")
    if not isinstance(subjects, list) or len(subjects) != 1:
        raise InvalidPayload("signed statement: subject must have exactly one element")
    subject = _object(subjects[0], "subject")
    digests = _object(subject.get("digest"), "digest")
    if len(digests) != 1:
        raise InvalidPayload("signed statement: digest must have exactly one element")
    ((algorithm, hexadecimal),) = digests.items()
    return Payload(
        digest=_digest(f"{algorithm}:{hexadecimal}"),
        reference="",
        annotations=_object(subject.get("annotations") or {}, "annotations"),
    )


def _encode(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


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
        return parse_digest(_string(value, "digest"))
    except InvalidDigest:
        raise InvalidPayload("signature payload: the image's digest is none") from None
