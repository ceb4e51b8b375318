# SPDX-License-Identifier: Apache-2.0
"""DNS messages, as far as a forwarder that knows some names needs them (pure).

Implements: RFC 1035 section 4 (messages), RFC 6891 section 6.1.2 (the size that OPT announces).
Holds: queries come from programs that may be hostile; what is not a plain question raises `MalformedQueryError`, and no
compression pointer is ever followed.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

HEADER = struct.Struct(">HHHHHH")
QUESTION_END = struct.Struct(">HH")
RECORD = struct.Struct(">HHHIH")

TYPE_A = 1
TYPE_PTR = 12
TYPE_AAAA = 28
TYPE_OPT = 41
CLASS_IN = 1

NO_ERROR = 0
FORMAT_ERROR = 1
SERVER_FAILURE = 2
NOT_IMPLEMENTED = 4
REFUSED = 5

TTL_S = 600
SMALLEST_LIMIT = 512
LARGEST_LIMIT = 4096
LARGEST_MESSAGE = 65535

_RESPONSE = 0x8000
_OPCODE = 0x7800
_TRUNCATED = 0x0200
_RECURSION_DESIRED = 0x0100
_RECURSION_AVAILABLE = 0x0080
_LONGEST_NAME = 255
_LONGEST_LABEL = 63
_NAME_OF_QUESTION = 0xC000 | HEADER.size


class MalformedQueryError(ValueError):
    """Not a query that can be answered."""


@dataclass(frozen=True, slots=True)
class Query:
    """One question; `name` is in lower case, without the dot at its end."""

    id: int
    flags: int
    name: str
    kind: int
    family: int
    question: bytes
    limit: int = SMALLEST_LIMIT
    """How many bytes the client takes in a datagram."""

    @property
    def is_standard(self) -> bool:
        """Whether it is a plain question, not a status request, an update or a notification."""
        return not self.flags & _OPCODE


def decode_query(data: bytes) -> Query:
    """Read the question of a query."""
    if len(data) < HEADER.size:
        raise MalformedQueryError("shorter than a header")
    number, flags, questions, answers, authorities, additional = HEADER.unpack_from(data)
    if flags & _RESPONSE:
        raise MalformedQueryError("an answer")
    if questions != 1:
        raise MalformedQueryError(f"{questions} questions")
    name, end = decode_name(data, HEADER.size)
    if end + QUESTION_END.size > len(data):
        raise MalformedQueryError("question cut off")
    kind, family = QUESTION_END.unpack_from(data, end)
    end += QUESTION_END.size
    limit = _announced_limit(data, end) if additional and not answers and not authorities else SMALLEST_LIMIT
    return Query(number, flags, name.lower(), kind, family, data[HEADER.size : end], limit)


def decode_name(data: bytes, offset: int) -> tuple[str, int]:
    """Read an uncompressed name; return it and where it ends."""
    labels: list[str] = []
    start = offset
    while True:
        if offset >= len(data):
            raise MalformedQueryError("name cut off")
        length = data[offset]
        offset += 1
        if length == 0:
            return ".".join(labels), offset
        if length > _LONGEST_LABEL:
            raise MalformedQueryError("a compressed name in a question")
        if offset + length - start >= _LONGEST_NAME:
            raise MalformedQueryError("name too long")
        labels.append(data[offset : offset + length].decode("latin-1"))
        offset += length


def encode_name(name: str) -> bytes:
    """Write a name; raises `MalformedQueryError` for one that DNS cannot carry."""
    labels = name.split(".") if name else []
    encoded = b"".join(bytes((len(label),)) + label for label in map(_encode_label, labels)) + b"\0"
    if len(encoded) > _LONGEST_NAME:
        raise MalformedQueryError("name too long")
    return encoded


def _encode_label(label: str) -> bytes:
    encoded = label.encode("latin-1", "replace")
    if not 1 <= len(encoded) <= _LONGEST_LABEL:
        raise MalformedQueryError(f"label of {len(encoded)} bytes")
    return encoded


def encode_answer(query: Query, values: Sequence[bytes] = (), *, code: int = NO_ERROR, limit: int) -> bytes:
    """Answer with records of the question's own type; those that `limit` has no room for are left out and TC is set."""
    records = [RECORD.pack(_NAME_OF_QUESTION, query.kind, CLASS_IN, TTL_S, len(v)) + v for v in values]
    room = limit - HEADER.size - len(query.question)
    kept: list[bytes] = []
    for record in records:
        room -= len(record)
        if room < 0:
            break
        kept.append(record)
    flags = _RESPONSE | _RECURSION_AVAILABLE | query.flags & (_OPCODE | _RECURSION_DESIRED) | code
    if len(kept) < len(records):
        flags |= _TRUNCATED
    return HEADER.pack(query.id, flags, 1, len(kept), 0, 0) + query.question + b"".join(kept)


def encode_refusal(data: bytes, code: int) -> bytes | None:
    """Answer a message that could not be read, if it has an id and is no answer itself."""
    if len(data) < HEADER.size:
        return None
    number, flags, *_ = HEADER.unpack_from(data)
    if flags & _RESPONSE:
        return None
    return HEADER.pack(number, _RESPONSE | flags & (_OPCODE | _RECURSION_DESIRED) | code, 0, 0, 0, 0)


def response_code(data: bytes) -> int:
    """The code of an answer."""
    return data[3] & 0xF


def is_answer_to(data: bytes, query: bytes) -> bool:
    """Whether `data` has the header of an answer to `query`."""
    return len(data) >= HEADER.size and data[:2] == query[:2] and bool(data[2] & 0x80)


def _announced_limit(data: bytes, offset: int) -> int:
    """The client's buffer size, if its only extra record is OPT (root name, then its class is the size)."""
    if offset + 1 + 4 > len(data) or data[offset] != 0:
        return SMALLEST_LIMIT
    kind, size = QUESTION_END.unpack_from(data, offset + 1)
    return max(SMALLEST_LIMIT, min(size, LARGEST_LIMIT)) if kind == TYPE_OPT else SMALLEST_LIMIT
