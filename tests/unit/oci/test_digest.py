# SPDX-License-Identifier: Apache-2.0
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.oci.chain import chain_id, chain_ids, next_chain_id
from sampan.oci.digest import Digest, DigestMismatch, InvalidDigest, parse_digest


@given(st.binary(), st.sampled_from(["sha256", "sha384", "sha512"]))
def test_a_digest_survives_its_text(data: bytes, algorithm: str) -> None:
    digest = Digest.of(data, algorithm)
    assert parse_digest(str(digest)) == digest
    assert digest.hex == hashlib.new(algorithm, data).hexdigest()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "invalid checksum digest format"),
        ("sha256:", "invalid checksum digest format"),
        ("sha256:zz", "invalid checksum digest format"),
        ("sha256:" + "A" * 64, "invalid checksum digest format"),
        ("sha256:" + "a" * 64 + "\n", "invalid checksum digest format"),
        ("sha256:abc", "invalid checksum digest length"),
        ("md5:" + "a" * 32, "unsupported digest algorithm"),
        ("sha256:../../../../etc/passwd", "invalid checksum digest format"),
    ],
)
def test_what_names_no_bytes_is_refused_in_dockers_words(text: str, message: str) -> None:
    with pytest.raises(InvalidDigest, match=f"^{message}$"):
        parse_digest(text)


def test_a_mismatch_knows_both_digests() -> None:
    expected, actual = Digest.of(b"a"), Digest.of(b"b")
    error = DigestMismatch(expected, actual)
    assert (error.expected, error.actual) == (expected, actual)
    assert str(expected) in str(error)
    assert str(actual) in str(error)


def test_chain_ids_are_those_of_the_specification() -> None:
    lower, middle, upper = (Digest.of(bytes([n])) for n in range(3))
    first = lower
    second = Digest.of(f"{first} {middle}".encode())
    third = Digest.of(f"{second} {upper}".encode())
    assert chain_ids([lower, middle, upper]) == (first, second, third)
    assert chain_id([lower, middle, upper]) == third
    assert next_chain_id(second, upper) == third


def test_no_layers_have_no_chain_id() -> None:
    assert chain_id([]) is None
