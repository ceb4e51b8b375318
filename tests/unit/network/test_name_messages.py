# SPDX-License-Identifier: Apache-2.0
"""DNS messages: what is understood, what is refused, what is never believed."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.network.nameserver.message import (
    FORMAT_ERROR,
    HEADER,
    TYPE_A,
    TYPE_OPT,
    MalformedQueryError,
    decode_name,
    decode_query,
    encode_answer,
    encode_name,
    encode_refusal,
    is_answer_to,
    response_code,
)

LABELS = st.lists(st.from_regex(r"[a-z0-9_-]{1,20}", fullmatch=True), min_size=1, max_size=6)


def query(
    name: str = "web", *, flags: int = 0x0100, kind: int = TYPE_A, more: bytes = b"", extra: int = 0
) -> bytes:
    question = encode_name(name) + struct.pack(">HH", kind, 1)
    return HEADER.pack(77, flags, 1, 0, 0, extra) + question + more


@given(LABELS)
def test_names_survive_the_wire(labels: list[str]) -> None:
    name = ".".join(labels)
    encoded = encode_name(name)
    assert decode_name(encoded, 0) == (name, len(encoded))


@given(st.binary(max_size=600))
def test_no_bytes_do_harm(data: bytes) -> None:
    try:
        decoded = decode_query(data)
    except MalformedQueryError:
        refusal = encode_refusal(data, FORMAT_ERROR)
        assert refusal is None or is_answer_to(refusal, data)
    else:
        assert len(decoded.name) < 255
        assert is_answer_to(encode_answer(decoded, limit=decoded.limit), data)


def test_a_question_is_read_without_regard_to_case() -> None:
    decoded = decode_query(query("WEB.Sea"))
    assert (decoded.id, decoded.name, decoded.kind, decoded.limit) == (77, "web.sea", TYPE_A, 512)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        query()[:-1],
        query()[:14],
        query(flags=0x8100),  # an answer: two servers would talk for ever
        HEADER.pack(1, 0x0100, 2, 0, 0, 0) + encode_name("a") + b"\0\1\0\1",
        HEADER.pack(1, 0x0100, 1, 0, 0, 0) + b"\xc0\x0c" + b"\0\1\0\1",  # a pointer to itself
        HEADER.pack(1, 0x0100, 1, 0, 0, 0) + b"\x3f" + b"a" * 63 + (b"\x3f" + b"a" * 63) * 3 + b"\0\0\1\0\1",
    ],
)
def test_what_is_no_plain_question_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedQueryError):
        decode_query(data)


@pytest.mark.parametrize(("size", "limit"), [(100, 512), (1232, 1232), (65535, 4096)])
def test_the_clients_buffer_is_respected(size: int, limit: int) -> None:
    opt = b"\0" + struct.pack(">HHIH", TYPE_OPT, size, 0, 0)
    assert decode_query(query(more=opt, extra=1)).limit == limit


def test_an_answer_carries_the_question_and_its_records() -> None:
    answer = encode_answer(decode_query(query()), [bytes((10, 0, 0, 2)), bytes((10, 0, 0, 3))], limit=512)
    number, flags, questions, answers, _, _ = HEADER.unpack_from(answer)
    assert (number, flags, questions, answers) == (77, 0x8180, 1, 2)
    assert answer.endswith(b"\xc0\x0c\0\1\0\1" + struct.pack(">IH", 600, 4) + bytes((10, 0, 0, 3)))
    assert response_code(answer) == 0


@given(st.integers(1, 200), st.sampled_from([512, 1232, 4096]))
def test_an_answer_fits_or_says_that_it_is_cut(count: int, limit: int) -> None:
    answer = encode_answer(decode_query(query()), [bytes(4)] * count, limit=limit)
    _, flags, _, answers, _, _ = HEADER.unpack_from(answer)
    assert len(answer) <= limit
    assert bool(flags & 0x0200) == (answers < count)


@pytest.mark.parametrize("name", ["a..b", "x" * 64, ".".join(["abcdefgh"] * 32)])
def test_a_name_that_dns_cannot_carry_is_not_written(name: str) -> None:
    with pytest.raises(MalformedQueryError):
        encode_name(name)
