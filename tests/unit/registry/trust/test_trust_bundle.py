# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.errors import DataCorrupt
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest
from sampan.oci.media_type import OCI_MANIFEST
from sampan.registry.trust.bundle import (
    BUNDLE_TYPE,
    decode_bundle,
    encode_bundle,
    encode_bundle_referrer,
    may_sign,
)
from sampan.registry.trust.keys import decode_public_key
from sampan.registry.trust.payload import InvalidPayload, Payload, decode_statement, encode_statement
from sampan.registry.trust.private_keys import generate_key
from sampan.registry.trust.signing import make_statement

IMAGE = Digest.of(b"image")
KEY, OTHER = generate_key(), generate_key()
texts = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20)

# What cosign 3.1.1 wrote of `cosign sign --key` without a log, and the key.
COSIGNS = {
    "mediaType": BUNDLE_TYPE,
    "verificationMaterial": {"publicKey": {"hint": "/QdtRBr7ttDy1jG6o0MmripJIB0Q7bN4I7XAnXwqczo="}},
    "dsseEnvelope": {
        "payload": (
            "eyJfdHlwZSI6Imh0dHBzOi8vaW4tdG90by5pby9TdGF0ZW1lbnQvdjEiLCJzdWJqZWN0IjpbeyJkaWdlc3QiOnsic2"
            "hhMjU2IjoiM2JhMzM2NDFiNmI4MzdiZTRhNDMyYjA4NmYyOGNjMWI2M2EwZTVlNDRkNDJjNWQ2MWUwYzUyNjYxZTdi"
            "NmQ1YSJ9LCJhbm5vdGF0aW9ucyI6e319XSwicHJlZGljYXRlVHlwZSI6Imh0dHBzOi8vc2lnc3RvcmUuZGV2L2Nvc2"
            "lnbi9zaWduL3YxIiwicHJlZGljYXRlIjp7fX0="
        ),
        "payloadType": "application/vnd.in-toto+json",
        "signatures": [
            {
                "sig": "MEYCIQClfvDukNwXOko0zOEMHyJNQ0g8IzYdEYFsg5ujY3GQNwIh"
                "AO8PN9mOcb8lq/7iWbMCGehNELJaHamUzdYMF7vy7rYv"
            }
        ],
    },
}
COSIGNS_KEY = b"""\
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEs6Jkb56wJK1ohd4127y2iJSPEihG
3kRHYjcXi54iDm/gkKpyJeNh+ul9fu4b2IDDDtuWZ24CaN4LPDi2GjYFBA==
-----END PUBLIC KEY-----
"""


def statement(**changes: object) -> bytes:
    source = json.loads(encode_statement(Payload(IMAGE, "")))
    return json.dumps(source | changes).encode()


def envelope(**changes: object) -> bytes:
    source = json.loads(encode_bundle(make_statement(KEY, Payload(IMAGE, "")), KEY.public.hint))
    source["dsseEnvelope"] |= changes
    return json.dumps(source).encode()


def test_what_cosign_wrote_is_read_and_its_signer_known() -> None:
    key = decode_public_key(COSIGNS_KEY)
    signature = decode_bundle(json.dumps(COSIGNS).encode())
    assert signature.signer([OTHER.public, key]) == key
    assert signature.read().reference == ""
    assert key.hint == COSIGNS["verificationMaterial"]["publicKey"]["hint"]  # type: ignore[index]
    again = make_statement(KEY, signature.read())
    assert again.payload == signature.payload, "we sign the very bytes that cosign does"


@given(texts.map(lambda text: Digest.of(text.encode())), st.dictionaries(texts, texts, max_size=3))
def test_a_statement_survives_its_bytes(digest: Digest, annotations: dict[str, object]) -> None:
    payload = Payload(digest, "", annotations)
    assert decode_statement(encode_statement(payload)) == payload


def test_a_bundle_survives_its_bytes_and_says_what_it_is() -> None:
    signature = make_statement(KEY, Payload(IMAGE, "left.out", {"a": "b"}))
    raw = encode_bundle(signature, KEY.public.hint)
    assert decode_bundle(raw) == signature
    assert signature.read() == Payload(IMAGE, "", {"a": "b"})
    encoded = encode_bundle_referrer(raw, Descriptor(OCI_MANIFEST, IMAGE, 5))
    assert encoded.descriptor.artifact_type == BUNDLE_TYPE
    assert may_sign(encoded.descriptor)
    assert json.loads(encoded.raw)["subject"] == {"mediaType": OCI_MANIFEST, "digest": str(IMAGE), "size": 5}


def test_an_attestation_is_no_signature() -> None:
    described = Descriptor(
        OCI_MANIFEST,
        IMAGE,
        1,
        annotations={"dev.sigstore.bundle.predicateType": "https://slsa.dev/provenance/v1"},
    )
    assert not may_sign(described)
    assert may_sign(Descriptor(OCI_MANIFEST, IMAGE, 1)), "who says nothing is looked at"
    with pytest.raises(InvalidPayload, match="no signature of an image"):
        decode_statement(statement(predicateType="https://slsa.dev/provenance/v1"))


@pytest.mark.parametrize(
    "raw",
    [
        b"[]",
        statement(_type="https://in-toto.io/Statement/v0.1"),
        statement(subject=[]),
        statement(subject=[1]),
        statement(subject=[{"digest": {"sha256": IMAGE.hex}}] * 2),
        statement(subject=[{"digest": {}}]),
        statement(subject=[{"digest": {"sha256": "short"}}]),
        statement(subject=[{"digest": {"sha256": IMAGE.hex, "sha512": "0" * 128}}]),
        statement(subject=[{"digest": {"sha256": IMAGE.hex}, "annotations": 1}]),
    ],
)
def test_a_statement_of_another_shape_is_refused(raw: bytes) -> None:
    decode_statement(statement())
    with pytest.raises(InvalidPayload):
        decode_statement(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        envelope(payloadType="text/plain"),
        envelope(payload="%"),
        envelope(signatures=[]),
        envelope(signatures=[{"sig": "AAAA"}] * 2),
        envelope(signatures=["AAAA"]),
        envelope(signatures=[{"sig": 1}]),
    ],
)
def test_a_bundle_of_another_shape_is_refused(raw: bytes) -> None:
    decode_bundle(envelope())
    with pytest.raises(DataCorrupt):
        decode_bundle(raw)


@given(st.binary(max_size=100))
def test_rubbish_is_refused_as_what_it_is(raw: bytes) -> None:
    with pytest.raises(DataCorrupt):
        decode_bundle(raw)


@given(st.data())
def test_no_byte_of_a_statement_can_be_changed(data: st.DataObject) -> None:
    signature = make_statement(KEY, Payload(IMAGE, ""))
    changed = bytearray(signature.payload)
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    raw = envelope(payload=base64.b64encode(changed).decode(), signatures=[{"sig": signature.text}])
    assert decode_bundle(raw).signer([KEY.public]) is None
