# SPDX-License-Identifier: Apache-2.0
"""Bodies of requests, piece by piece: what a file or a pipe gives."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_READ_BYTES = 1 << 18


def iter_file(path: str) -> Iterator[bytes]:
    """The pieces of a file; it is opened at once, so that a wrong path is known before anything is sent."""
    return iter_descriptor(os.open(path, os.O_RDONLY | os.O_CLOEXEC), close=True)


def iter_descriptor(descriptor: int, *, close: bool = False) -> Iterator[bytes]:
    """What a descriptor gives until its end."""
    try:
        while data := os.read(descriptor, _READ_BYTES):
            yield data
    finally:
        if close:
            os.close(descriptor)
