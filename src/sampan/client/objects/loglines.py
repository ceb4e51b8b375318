# SPDX-License-Identifier: Apache-2.0
"""A container's log as lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def iter_log_lines(frames: Iterator[tuple[int, bytes]]) -> Iterator[bytes]:
    """Whole lines of both streams, in the order in which they became whole; at the end what has no line end."""
    held: dict[int, bytes] = {}
    for stream, data in frames:
        *lines, rest = (held.get(stream, b"") + data).split(b"\n")
        held[stream] = rest
        for line in lines:
            yield line + b"\n"
    yield from (rest for rest in held.values() if rest)
