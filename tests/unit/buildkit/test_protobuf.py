# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.buildkit.messages import control, files, gateway, session
from sampan.buildkit.messages.control import SolveRequest, StatusResponse
from sampan.buildkit.messages.files import Packet, Stat
from sampan.buildkit.messages.values import Platform, Range, SourceInfo, Status, Timestamp
from sampan.buildkit.protobuf import INT, MalformedMessage, Message, decode_message, encode_message, repeated

MESSAGES = [
    value
    for module in (control, files, gateway, session)
    for value in vars(module).values()
    if isinstance(value, type) and issubclass(value, Message) and value is not Message
]


def test_the_reference_encoding() -> None:
    # Worked out by hand from "Encoding" at protobuf.dev: tag, length, value.
    message = control.VertexLog("d", Timestamp(1, 2), 1, b"hi")
    assert encode_message(message) == b"\x0a\x01d\x12\x04\x08\x01\x10\x02\x18\x01\x22\x02hi"
    assert encode_message(control.PruneRequest(keep_duration=-1)) == b"\x18" + b"\xff" * 9 + b"\x01"
    assert encode_message(SolveRequest(frontend_attrs={"a": "b"})) == b"\x3a\x06\x0a\x01a\x12\x01b"
    assert encode_message(Packet()) == b""
    assert encode_message(Packet(stat=Stat())) == b"\x12\x00"


def test_negative_numbers_and_names_that_are_no_text_survive() -> None:
    stat = Stat("a/\udcff", mode=files.GO_DIRECTORY | 0o755, mtime_ns=-5, xattrs={"user.x": b"\0"})
    assert decode_message(Stat, encode_message(stat)) == stat


def test_unknown_fields_are_passed_over() -> None:
    known = encode_message(Packet(type=2, id=7))
    unknown = b"\xa2\x06\x03abc" + b"\xa8\x06\x05" + b"\xb1\x06" + bytes(8) + b"\xbd\x06" + bytes(4)
    assert decode_message(Packet, unknown + known) == Packet(type=2, id=7)


def test_packed_and_single_numbers_are_one_list() -> None:
    numbers = dataclasses.make_dataclass(
        "Numbers", [("values", list[int], repeated(1, INT))], bases=(Message,)
    )
    decoded = decode_message(numbers, b"\x0a\x02\x01\x02\x08\x03")
    assert decoded == numbers([1, 2, 3])


def test_map_entries_may_leave_out_key_and_value() -> None:
    assert decode_message(SolveRequest, b"\x3a\x00\x3a\x03\x0a\x01k").frontend_attrs == {"": "", "k": ""}
    assert decode_message(gateway.RefMap, b"\x0a\x03\x0a\x01k").refs == {"k": gateway.Ref()}


@pytest.mark.parametrize(
    "data",
    [
        b"\x0a",  # a length that is missing
        b"\x0a\x05a",  # less data than its length
        b"\x0a\xff\xff\xff\xff\x0f",
        b"\xff" * 11,  # a number that does not end
        b"\x0b",  # a group
        b"\x0f",
        b"\x08\x01",  # a number where a text belongs
        b"\x0a\x01\xff",  # no UTF-8
        b"\x3a\x02\x08\x01",  # a map's key of another type
        b"\x38\x01",
    ],
)
def test_malformed_messages_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedMessage):
        decode_message(SolveRequest, data)


@given(st.sampled_from(MESSAGES), st.binary(max_size=200))
def test_no_bytes_do_anything_but_decode_or_be_refused(message: type[Message], data: bytes) -> None:
    with contextlib.suppress(MalformedMessage):
        decoded = decode_message(message, data)
        assert decode_message(message, encode_message(decoded)) == decoded


TEXT = st.text(max_size=8)
NUMBER = st.integers(-(1 << 63), (1 << 63) - 1)
TIMES = st.none() | st.builds(Timestamp, NUMBER, NUMBER)


@given(
    st.builds(
        StatusResponse,
        vertexes=st.lists(
            st.builds(control.Vertex, TEXT, st.lists(TEXT), TEXT, st.booleans(), TIMES, TIMES, TEXT),
            max_size=3,
        ),
        logs=st.lists(st.builds(control.VertexLog, TEXT, TIMES, NUMBER, st.binary()), max_size=3),
    )
    | st.builds(Platform, TEXT, TEXT, TEXT)
    | st.builds(Status, NUMBER, TEXT)
    | st.builds(SourceInfo, TEXT, st.binary(), TEXT)
    | st.builds(Range)
    | st.builds(
        SolveRequest, frontend_attrs=st.dictionaries(TEXT, TEXT), inputs=st.dictionaries(TEXT, st.binary())
    )
)
def test_what_is_encoded_decodes_to_the_same(message: Message) -> None:
    assert decode_message(type(message), encode_message(message)) == message
