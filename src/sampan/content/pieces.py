# SPDX-License-Identifier: Apache-2.0
"""Streams in pieces that are worth a trip to another thread, which each costs more than reading a few kilobytes."""

from __future__ import annotations

from collections.abc import AsyncIterator

PIECE_BYTES = 1 << 20


async def iter_pieces(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes, at least `PIECE_BYTES` at a time, but for the last."""
    held: list[bytes] = []
    size = 0
    async for data in stream:
        held.append(data)
        size += len(data)
        if size >= PIECE_BYTES:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)
