# SPDX-License-Identifier: Apache-2.0
"""The form in which cosign 3 keeps a signature: a Sigstore bundle, alone in a manifest that refers to the image.

Implements: of the Sigstore bundle (v0.3) a DSSE envelope with one signature; DSSE v1's pre-authentication encoding.
Written here with a key's hint alone, as cosign does without a log.
Holds: what a bundle says of keys, certificates and logs is not looked at: the keys are ours, and what they signed is
checked before it is read. Pure.
"""

from __future__ import annotations

import base64
import binascii

from sampan.oci import media_type
from sampan.oci.descriptor import Descriptor, encode_descriptor
from sampan.oci.document import (
    InvalidDocument,
    JSONObject,
    decode_object,
    encode_object,
    get_list,
    get_object,
    get_string,
)
from sampan.registry.trust.documents import Encoded, describe_subject
from sampan.registry.trust.payload import PREDICATE_TYPE, STATEMENT_TYPE
from sampan.registry.trust.signature import SIGNATURE_ANNOTATION, Signature

BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
MAX_BUNDLE_BYTES = 128 << 10

PREDICATE_ANNOTATION = "dev.sigstore.bundle.predicateType"
_ANNOTATIONS = {"dev.sigstore.bundle.content": "dsse-envelope", PREDICATE_ANNOTATION: PREDICATE_TYPE}
_WHAT = "signature bundle"


def may_sign(referrer: Descriptor) -> bool:
    """Whether a referrer may be a signature: attestations have the same type and say so, if they say anything."""
    return referrer.annotations.get(PREDICATE_ANNOTATION, PREDICATE_TYPE) == PREDICATE_TYPE


def encode_bundle(signature: Signature, hint: str) -> bytes:
    """A bundle of one signature; `hint` helps others to find the key."""
    envelope = {
        "payload": base64.b64encode(signature.payload).decode(),
        "payloadType": signature.envelope,
        "signatures": [{"sig": signature.text}],
    }
    material = {"publicKey": {"hint": hint}}
    return encode_object(
        {"mediaType": BUNDLE_TYPE, "verificationMaterial": material, "dsseEnvelope": envelope}
    )


def encode_bundle_referrer(bundle: bytes, subject: Descriptor) -> Encoded:
    """The manifest that refers to what is signed."""
    config = b"{}"
    raw = encode_object(
        {
            "schemaVersion": 2,
            "mediaType": media_type.OCI_MANIFEST,
            "artifactType": BUNDLE_TYPE,
            "config": encode_descriptor(Descriptor.of(config, media_type.OCI_EMPTY)),
            "layers": [encode_descriptor(Descriptor.of(bundle, BUNDLE_TYPE))],
            "subject": describe_subject(subject),
            "annotations": _ANNOTATIONS,
        }
    )
    return Encoded(raw, config, BUNDLE_TYPE, _ANNOTATIONS)


def decode_bundle(raw: bytes) -> Signature:
    """The signature of a bundle."""
    envelope = get_object(decode_object(raw, _WHAT), "dsseEnvelope", _WHAT)
    if get_string(envelope, "payloadType", _WHAT) != STATEMENT_TYPE:
        raise InvalidDocument(f"{_WHAT} holds no in-toto statement")
    signatures = get_list(envelope, "signatures", _WHAT)
    if len(signatures) != 1 or not isinstance(signatures[0], dict):
        raise InvalidDocument(f"{_WHAT} has {len(signatures)} signatures, not one")
    text = get_string(signatures[0], "sig", _WHAT)
    return Signature(_payload(envelope), {SIGNATURE_ANNOTATION: text}, envelope=STATEMENT_TYPE)


def _payload(envelope: JSONObject) -> bytes:
    try:
        return base64.b64decode(get_string(envelope, "payload", _WHAT), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidDocument(f"{_WHAT}: payload is not base64") from None
