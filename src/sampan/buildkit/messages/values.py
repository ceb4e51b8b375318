# SPDX-License-Identifier: Apache-2.0
"""Messages that several services have: times, statuses, platforms, places in a source file.

Source: google.protobuf.Timestamp, google.rpc.Status, BuildKit's solver/pb/ops.proto.
"""

from __future__ import annotations

from dataclasses import dataclass

from sampan.buildkit.protobuf import BYTES, INT, STRING, Message, nested, repeated, scalar

_SECOND_NS = 1_000_000_000


@dataclass(slots=True)
class Timestamp(Message):
    """A moment since the epoch."""

    seconds: int = scalar(1, INT)
    nanos: int = scalar(2, INT)

    @classmethod
    def of(cls, moment_ns: int) -> Timestamp:
        """From nanoseconds since the epoch."""
        return cls(*divmod(moment_ns, _SECOND_NS))


@dataclass(slots=True)
class AnyMessage(Message):
    """google.protobuf.Any: a message with the name of its type."""

    type_url: str = scalar(1, STRING)
    value: bytes = scalar(2, BYTES)


@dataclass(slots=True)
class Status(Message):
    """google.rpc.Status: how a call ended."""

    code: int = scalar(1, INT)
    message: str = scalar(2, STRING)
    details: list[AnyMessage] = repeated(3, AnyMessage)


@dataclass(slots=True)
class Platform(Message):
    """A platform, with its parts by themselves."""

    architecture: str = scalar(1, STRING)
    os: str = scalar(2, STRING)
    variant: str = scalar(3, STRING)


@dataclass(slots=True)
class Position(Message):
    """A line, from one, and a column."""

    line: int = scalar(1, INT)
    character: int = scalar(2, INT)


@dataclass(slots=True)
class Range(Message):
    """From one position to another."""

    start: Position | None = nested(1, Position)
    end: Position | None = nested(2, Position)


@dataclass(slots=True)
class SourceInfo(Message):
    """A source file."""

    filename: str = scalar(1, STRING)
    data: bytes = scalar(2, BYTES)
    language: str = scalar(4, STRING)
