# SPDX-License-Identifier: Apache-2.0
"""The frames that carry stdout and stderr in one stream: attach, exec and logs without a terminal.

Implements: Engine API v1.51, ContainerAttach, "Stream format": one byte of stream, three of zero, a
big-endian length, then the data.
"""

from __future__ import annotations

from sampan.client.wire import ConnectionLost
from sampan.errors import DataCorrupt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HEADER_BYTES = 8
STDIN, STDOUT, STDERR = 0, 1, 2
_STREAMS = frozenset((STDIN, STDOUT, STDERR))


def iter_frames(pieces: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Stream number and data of each frame, whatever the borders of `pieces` are.

    Frames of one stream that came together are given together: a log of a million lines is not a million
    writes.
    """
    held = b""
    for piece in pieces:
        held += piece
        held, frames = _split(held)
        yield from frames
    if held:
        raise ConnectionLost


def _split(held: bytes) -> tuple[bytes, list[tuple[int, bytes]]]:
    groups: list[tuple[int, list[bytes]]] = []
    start, end = 0, len(held)
    while end - start >= HEADER_BYTES:
        stream = held[start]
        if stream not in _STREAMS:
            raise DataCorrupt("stream of the engine is not made of frames")
        stop = start + HEADER_BYTES + int.from_bytes(held[start + 4 : start + HEADER_BYTES], "big")
        if stop > end:
            break
        if not groups or groups[-1][0] != stream:
            groups.append((stream, []))
        groups[-1][1].append(held[start + HEADER_BYTES : stop])
        start = stop
    return held[start:], [(stream, b"".join(parts)) for stream, parts in groups]
