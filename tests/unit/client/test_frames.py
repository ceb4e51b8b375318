# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.client.frames import iter_frames
from sampan.client.wire import ConnectionLost
from sampan.errors import DataCorrupt
from scripted_engine import frame

FRAMES = st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(min_size=1, max_size=40)))


def _by_stream(frames: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """Neighbours of one stream joined: the borders of frames mean nothing."""
    joined: list[tuple[int, bytes]] = []
    for stream, data in frames:
        if joined and joined[-1][0] == stream:
            joined[-1] = (stream, joined[-1][1] + data)
        else:
            joined.append((stream, data))
    return joined


@given(FRAMES, st.integers(1, 50))
def test_streams_survive_any_borders_of_reads(frames: list[tuple[int, bytes]], size: int) -> None:
    raw = b"".join(frame(*one) for one in frames)
    pieces = [raw[start : start + size] for start in range(0, len(raw), size)]
    assert _by_stream(list(iter_frames(pieces))) == _by_stream(frames)


def test_what_came_together_is_given_together() -> None:
    assert list(iter_frames([frame(1, b"a") + frame(1, b"b") + frame(2, b"c")])) == [(1, b"ab"), (2, b"c")]


def test_an_end_inside_a_frame_is_an_error() -> None:
    with pytest.raises(ConnectionLost):
        list(iter_frames([frame(1, b"abc")[:-1]]))


def test_something_else_than_frames_is_an_error() -> None:
    with pytest.raises(DataCorrupt):
        list(iter_frames([b"hello world"]))
