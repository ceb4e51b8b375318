# SPDX-License-Identifier: Apache-2.0
"""Layers are compressed as asked, and always to the same bytes."""

from __future__ import annotations

import gzip
import io

import pytest
import zstandard

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
