# SPDX-License-Identifier: Apache-2.0
"""Protocol Buffers' wire format for messages that are declared as dataclasses.

Implements: the encoding of proto3 (protobuf.dev, "Encoding") as far as BuildKit's messages need it: integers,
booleans, strings, bytes, messages, repeated fields and maps. Unknown fields are passed over, as the format asks.

    @dataclass(slots=True)
    class Stat(Message):
        path: str = scalar(1, PATH)
        xattrs: dict[str, bytes] = mapping(10, BYTES)

Holds: bytes from outside either decode or raise MalformedMessage; nothing in them makes us reserve memory that
they do not fill. Fields of a default value are not written.
Not here: floating point, groups, enumerations (integers do), and extensions, none of which BuildKit sends.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar, cast

from sampan.errors import InvalidArgument

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_MASK = (1 << 64) - 1
_FIELD = "protobuf"


class MalformedMessage(InvalidArgument):
    """Bytes that are no message of the expected type."""


class Message:
    """Base of all messages."""

    __slots__ = ()


_M = TypeVar("_M", bound=Message)


@dataclass(frozen=True, slots=True)
class Kind:
    """How one value is written: its wire type, and its codec (an integer there for varints, else bytes)."""

    wire: int
    decode: Callable[[Any], Any]
    encode: Callable[[Any], Any]


def _text(data: memoryview) -> str:
    try:
        return str(data, "utf-8")
    except UnicodeDecodeError:
        raise MalformedMessage("string field: not UTF-8") from None


def _signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number


STRING = Kind(_LENGTH, _text, lambda text: text.encode(errors="replace"))  # names may be of any bytes
PATH = Kind(
    _LENGTH,
    lambda data: str(data, "utf-8", "surrogateescape"),
    lambda text: text.encode("utf-8", "surrogateescape"),
)
"""A file's name, which need not be a text."""
BYTES = Kind(_LENGTH, bytes, bytes)
BOOL = Kind(_VARINT, bool, int)
UINT = Kind(_VARINT, int, int)
INT = Kind(_VARINT, _signed, lambda number: number & _MASK)


@dataclass(frozen=True, slots=True)
class _Field:
    number: int
    kind: Kind
    shape: str
    name: str = ""


_TABLES: dict[type[Message], dict[int, _Field]] = {}


def scalar(number: int, kind: Kind) -> Any:
    """A field that is there once; its default is the kind's zero."""
    default = {STRING: "", PATH: "", BYTES: b"", BOOL: False}.get(kind, 0)
    return dataclasses.field(default=default, metadata={_FIELD: _Field(number, kind, "single")})


def nested(number: int, message: type[Message]) -> Any:
    """A message in a field; None where it is not there."""
    kind = _message_kind(message)
    return dataclasses.field(default=None, metadata={_FIELD: _Field(number, kind, "single")})


def repeated(number: int, kind: Kind | type[Message]) -> Any:
    """A list; integers are read packed or one by one."""
    of = kind if isinstance(kind, Kind) else _message_kind(kind)
    return dataclasses.field(default_factory=list, metadata={_FIELD: _Field(number, of, "repeated")})


def mapping(number: int, kind: Kind | type[Message]) -> Any:
    """A map whose keys are strings."""
    of = kind if isinstance(kind, Kind) else _message_kind(kind)
    return dataclasses.field(default_factory=dict, metadata={_FIELD: _Field(number, of, "mapping")})


def _message_kind(message: type[Message]) -> Kind:
    return Kind(_LENGTH, lambda data: decode_message(message, data), encode_message)


def _numbers(message: type[Message]) -> dict[int, _Field]:
    """The message's fields by their numbers, in the order of their declaration."""
    known = _TABLES.get(message)
    if known is None:
        found = [(one.name, one.metadata[_FIELD]) for one in dataclasses.fields(cast("Any", message))]
        known = {one.number: dataclasses.replace(one, name=name) for name, one in found}
        _TABLES[message] = known
    return known


def decode_message(message: type[_M], data: bytes | memoryview) -> _M:
    """The message that these bytes are."""
    view = memoryview(data)
    numbers = _numbers(message)
    decoded = message()
    position, end = 0, len(view)
    while position < end:
        tag, position = _varint(view, position)
        field, wire = numbers.get(tag >> 3), tag & 7
        value: int | memoryview
        if wire == _VARINT:
            value, position = _varint(view, position)
        elif wire == _LENGTH:
            length, position = _varint(view, position)
            value = view[position : position + length]
            position += length
        else:
            position += _width(wire)
            field = None
        if position > end:
            raise MalformedMessage(f"{message.__name__}: a field ends after the message")
        if field is not None:
            _store(decoded, field, wire, value)
    return decoded


def _store(decoded: Message, field: _Field, wire: int, value: int | memoryview) -> None:
    kind = field.kind
    if field.shape == "repeated" and kind.wire == _VARINT and wire == _LENGTH:
        getattr(decoded, field.name).extend(_unpack(kind, cast("memoryview", value)))
    elif wire != kind.wire and field.shape != "mapping":
        raise MalformedMessage(f"{type(decoded).__name__}: field {field.name} has another type")
    elif field.shape == "single":
        setattr(decoded, field.name, kind.decode(value))
    elif field.shape == "repeated":
        getattr(decoded, field.name).append(kind.decode(value))
    else:
        _store_entry(getattr(decoded, field.name), kind, value)


def _store_entry(entries: dict[str, Any], kind: Kind, value: int | memoryview) -> None:
    """A map is a repeated message of a key (1) and a value (2); either may be left out."""
    if isinstance(value, int):
        raise MalformedMessage("map entry: not a message")
    entry = decode_message(_entry(kind), value)
    key, item = cast("Any", entry).key, cast("Any", entry).value
    entries[key] = kind.decode(memoryview(b"")) if item is None else item


@cache
def _entry(kind: Kind) -> type[Message]:
    fields = [("key", str, scalar(1, STRING)), ("value", object, _absent(2, kind))]
    return dataclasses.make_dataclass("Entry", fields, bases=(Message,))


def _absent(number: int, kind: Kind) -> Any:
    return dataclasses.field(default=None, metadata={_FIELD: _Field(number, kind, "single")})


def _varint(view: memoryview, position: int) -> tuple[int, int]:
    try:
        byte = view[position]
        if byte < 0x80:
            return byte, position + 1
        number, shift = byte & 0x7F, 7
        while shift < 70:
            position += 1
            byte = view[position]
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return number & _MASK, position + 1
            shift += 7
    except IndexError:
        raise MalformedMessage("message ends inside a number") from None
    raise MalformedMessage("number of more than 64 bits")


def _width(wire: int) -> int:
    match wire:
        case 1:
            return 8
        case 5:
            return 4
    raise MalformedMessage(f"unknown wire type {wire}")


def _unpack(kind: Kind, view: memoryview) -> list[Any]:
    numbers = []
    position = 0
    while position < len(view):
        number, position = _varint(view, position)
        numbers.append(kind.decode(number))
    return numbers


def encode_message(message: Message) -> bytes:
    """The message as bytes; the same message gives the same bytes."""
    out = bytearray()
    for field in _numbers(type(message)).values():
        value = getattr(message, field.name)
        if not value and not isinstance(value, Message):
            continue
        kind = field.kind
        if field.shape == "mapping":
            for key in sorted(value):
                entry = _encode_field(1, STRING, key) + _encode_field(2, kind, value[key])
                out += _encode_field(field.number, BYTES, entry)
        elif field.shape == "repeated":
            for item in value:
                out += _encode_field(field.number, kind, item)
        else:
            out += _encode_field(field.number, kind, value)
    return bytes(out)


def _encode_field(number: int, kind: Kind, value: Any) -> bytes:
    tag = _encode_varint(number << 3 | kind.wire)
    encoded = kind.encode(value)
    if kind.wire == _VARINT:
        return tag + _encode_varint(encoded)
    return tag + _encode_varint(len(encoded)) + cast("bytes", encoded)


def _encode_varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
