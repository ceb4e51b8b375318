# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.oci.digest import Digest
from sampan.registry.trust.payload import InvalidPayload, Payload, decode_payload, encode_payload
from sampan.registry.trust.private_keys import generate_key
from sampan.registry.trust.signature import SIGNATURE_ANNOTATION, Signature
from sampan.registry.trust.signing import make_signature

IMAGE = Digest.of(b"image")
KEY, OTHER = generate_key(), generate_key()

digests = st.binary(max_size=8).map(Digest.of)
texts = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=40)
values = st.one_of(texts, st.integers(), st.booleans(), st.none())


@given(digests, texts, st.dictionaries(texts, values, max_size=4))
def test_a_payload_survives_its_bytes(digest: Digest, reference: str, annotations: dict[str, object]) -> None:
    payload = Payload(digest, reference, annotations)
    assert decode_payload(encode_payload(payload)) == payload


@given(st.binary(max_size=200))
def test_other_bytes_are_refused_as_what_they_are(raw: bytes) -> None:
    with pytest.raises(InvalidPayload):
        decode_payload(raw)


def test_the_bytes_are_those_that_cosign_signs() -> None:
    assert encode_payload(Payload(IMAGE, "a.test/app")) == (
        b'{"critical":{"identity":{"docker-reference":"a.test/app"},"image":{"docker-manifest-digest":"'
        + str(IMAGE).encode()
        + b'"},"type":"cosign container image signature"},"optional":null}'
    )


def test_what_skopeo_and_cosign_write_is_read() -> None:
    written = {
        "critical": {
            "type": "cosign container image signature",
            "image": {"docker-manifest-digest": str(IMAGE)},
            "identity": {"docker-reference": "a.test/app:1"},
        },
        "optional": {"creator": "containers/image 5.34.1", "timestamp": 1732350000},
    }
    assert decode_payload(json.dumps(written).encode()).reference == "a.test/app:1"
    written["optional"] = {}
    assert decode_payload(json.dumps(written, indent=1).encode()).annotations == {}


def payload(**changes: object) -> dict[str, object]:
    critical = {
        "type": "cosign container image signature",
        "image": {"docker-manifest-digest": str(IMAGE)},
        "identity": {"docker-reference": "a.test/app"},
    }
    return {"critical": critical | changes, "optional": {}}


@pytest.mark.parametrize(
    "source",
    [
        {},
        {"critical": payload()["critical"]},
        payload() | {"more": 1},
        payload() | {"optional": []},
        payload(type="atomic container signature"),
        payload(type=1),
        payload(image={"docker-manifest-digest": "sha256:short"}),
        payload(image={"docker-manifest-digest": str(IMAGE), "other": 1}),
        payload(image=[]),
        payload(identity={}),
        payload(identity={"docker-reference": ""}),
        payload(identity={"docker-reference": 1}),
        payload(more=1),
    ],
)
def test_a_payload_of_another_shape_is_refused(source: dict[str, object]) -> None:
    decode_payload(json.dumps(payload()).encode())
    with pytest.raises(InvalidPayload):
        decode_payload(json.dumps(source).encode())


def test_a_payload_that_could_be_read_in_two_ways_is_refused() -> None:
    good = encode_payload(Payload(IMAGE, "a.test/app"))
    twice = good.replace(b'"identity":', b'"identity":{"docker-reference":"evil.test/app"},"identity":')
    with pytest.raises(InvalidPayload, match="a key twice"):
        decode_payload(twice)


def test_only_the_key_that_made_a_signature_is_its_signer() -> None:
    signature = make_signature(KEY, Payload(IMAGE, "a.test/app"))
    assert signature.signer([OTHER.public, KEY.public]) == KEY.public
    assert signature.signer([OTHER.public]) is None
    assert signature.read() == Payload(IMAGE, "a.test/app")


@given(st.data())
def test_no_byte_of_a_signature_or_what_it_signs_can_be_changed(data: st.DataObject) -> None:
    signature = make_signature(KEY, Payload(IMAGE, "a.test/app"))
    raw = base64.b64decode(signature.text)
    for part in ("payload", "signature"):
        changed = bytearray(signature.payload if part == "payload" else raw)
        at = data.draw(st.integers(0, 1000)) % len(changed)  # a signature's length is not always the same
        changed[at] ^= data.draw(st.integers(1, 255))
        text = base64.b64encode(changed).decode() if part == "signature" else signature.text
        body = bytes(changed) if part == "payload" else signature.payload
        assert Signature(body, {SIGNATURE_ANNOTATION: text}).signer([KEY.public]) is None


@pytest.mark.parametrize("text", ["", "%", "AAAA", "A" * 10_000])
def test_rubbish_is_nobodys_signature(text: str) -> None:
    assert Signature(b"payload", {SIGNATURE_ANNOTATION: text}).signer([KEY.public]) is None
    assert Signature(b"payload").signer([KEY.public]) is None
