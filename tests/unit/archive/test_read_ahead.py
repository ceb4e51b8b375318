# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
import threading

import pytest

from sampan.archive.entry import InvalidArchive
from sampan.archive.read_ahead import DEPTH, PIECE_BYTES, ReadAhead


def test_the_bytes_are_the_streams() -> None:
    data = bytes(range(256)) * 20_000
    with ReadAhead(io.BytesIO(data)) as ahead:
        assert b"".join(iter(lambda: ahead.read(70_001), b"")) == data
        assert ahead.read(1) == b""


def test_no_more_is_held_than_was_said() -> None:
    read = 0
    is_full = threading.Event()

    class Endless:
        def read(self, size: int, /) -> bytes:
            nonlocal read
            read += 1
            if read > DEPTH:
                is_full.set()
            return bytes(size)

    with ReadAhead(Endless()) as ahead:
        assert is_full.wait(10)
        assert len(ahead.read(PIECE_BYTES)) == PIECE_BYTES
    assert read <= DEPTH + 3


def test_what_the_stream_raises_comes_after_what_it_gave() -> None:
    class Broken:
        def __init__(self) -> None:
            self.pieces = [b"abc"]

        def read(self, _size: int, /) -> bytes:
            if self.pieces:
                return self.pieces.pop()
            raise InvalidArchive("it ends here")

    with ReadAhead(Broken()) as ahead:
        assert ahead.read(10) == b"abc"
        with pytest.raises(InvalidArchive, match="it ends here"):
            ahead.read(10)
