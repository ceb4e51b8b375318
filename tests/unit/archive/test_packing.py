# SPDX-License-Identifier: Apache-2.0
"""Layers are compressed as asked, and always to the same bytes."""

from __future__ import annotations

import gzip
import io
import random
from itertools import cycle

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from sampan.archive.packing import Packing, open_packer
from sampan.oci.media_type import Compression

DATA = b"some layer " * 5000


def packed(packing: Packing) -> bytes:
    out = io.BytesIO()
    packer = open_packer(packing, out)
    for start in range(0, len(DATA), 1000):
        packer.write(DATA[start : start + 1000])
    packer.close()
    return out.getvalue()


@pytest.mark.parametrize("level", [None, 0, 6, 9])
def test_gzip(level: int | None) -> None:
    data = packed(Packing(Compression.GZIP, level))
    assert gzip.decompress(data) == DATA
    assert data == packed(Packing(Compression.GZIP, level))
    assert data[4:8] == bytes(4)


def test_zstd_and_nothing() -> None:
    low, high = (packed(Packing(Compression.ZSTD, level)) for level in (1, 19))
    assert zstandard.ZstdDecompressor().decompressobj().decompress(high) == DATA
    assert len(high) <= len(low) < len(DATA)
    assert packed(Packing(Compression.NONE)) == DATA


WORDS = b"".join(random.Random(7).choices([b"word ", b"another ", bytes(31), b"third\n"], k=100_000))


def packed_in_pieces(packing: Packing, sizes: list[int]) -> bytes:
    out = io.BytesIO()
    packer = open_packer(packing, out)
    start = 0
    for size in cycle(sizes):
        if start >= len(WORDS):
            break
        piece = WORDS[start : start + size]
        assert packer.write(piece) == len(piece)
        start += size
    packer.close()
    return out.getvalue()


@pytest.mark.parametrize("packing", [Packing(), Packing(Compression.ZSTD)], ids=["gzip", "zstd"])
@given(st.lists(st.sampled_from([997, 4096, 65536, 262143, 262144, 262145, 600_000]), min_size=1, max_size=5))
@settings(max_examples=15, deadline=None)
def test_a_stream_is_packed_the_same_in_whatever_pieces_it_comes(packing: Packing, sizes: list[int]) -> None:
    assert packed_in_pieces(packing, sizes) == packed_in_pieces(packing, [len(WORDS)])
