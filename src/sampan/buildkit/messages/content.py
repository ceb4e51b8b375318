# SPDX-License-Identifier: Apache-2.0
"""containerd.services.content.v1: the content stores that a session's client offers.

Source: containerd's api/services/content/v1/content.proto, as far as blobs are looked for, read and written.
"""

from __future__ import annotations

from dataclasses import dataclass

from sampan.buildkit.protobuf import BYTES, INT, STRING, Message, nested, scalar

_SERVICE = "/containerd.services.content.v1.Content"
INFO, READ, WRITE = f"{_SERVICE}/Info", f"{_SERVICE}/Read", f"{_SERVICE}/Write"
STORE_ID = "buildkit-attachable-store-id"

STAT_ACTION, WRITE_ACTION, COMMIT_ACTION = range(3)


@dataclass(slots=True)
class Info(Message):
    """What is known of a blob."""

    digest: str = scalar(1, STRING)
    size: int = scalar(2, INT)


@dataclass(slots=True)
class InfoRequest(Message):
    """Ask for a blob."""

    digest: str = scalar(1, STRING)


@dataclass(slots=True)
class InfoResponse(Message):
    """The blob is there."""

    info: Info | None = nested(1, Info)


@dataclass(slots=True)
class ReadRequest(Message):
    """Ask for bytes; a size of 0 is all from the offset on."""

    digest: str = scalar(1, STRING)
    offset: int = scalar(2, INT)
    size: int = scalar(3, INT)


@dataclass(slots=True)
class ReadResponse(Message):
    """Some of them."""

    offset: int = scalar(1, INT)
    data: bytes = scalar(2, BYTES)


@dataclass(slots=True)
class WriteRequest(Message):
    """One piece of a blob, or its end; `ref` names the writing of it."""

    action: int = scalar(1, INT)
    ref: str = scalar(2, STRING)
    total: int = scalar(3, INT)
    expected: str = scalar(4, STRING)
    offset: int = scalar(5, INT)
    data: bytes = scalar(6, BYTES)


@dataclass(slots=True)
class WriteResponse(Message):
    """How far it is."""

    action: int = scalar(1, INT)
    offset: int = scalar(4, INT)
    total: int = scalar(5, INT)
    digest: str = scalar(6, STRING)
