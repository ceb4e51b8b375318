# SPDX-License-Identifier: Apache-2.0
"""The log format: what is written comes back, across rotation, damage and both directions."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sampan.shim.logfile import MAGIC, OVERHEAD, STDERR, STDOUT, LogWriter, generation
from sampan.shim.loglines import LONGEST_LINE, LineSplitter
from sampan.shim.logread import LogReader, iter_frames

pieces = st.lists(
    st.tuples(st.sampled_from([STDOUT, STDERR]), st.text("ab\n", min_size=1, max_size=8).map(str.encode)),
    max_size=30,
)
many = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)


def write(path: Path, frames: list[tuple[int, bytes]], **limits: int) -> None:
    writer = LogWriter(str(path), **limits)
    for number, (stream, data) in enumerate(frames):
        writer.write(number, stream, data)
    writer.close()


def fresh(directory: Path) -> Path:
    for old in directory.iterdir():
        old.unlink()
    return directory / "log"


def lines_of(frames: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """All lines in the order in which they end; unfinished ones last, in the order of their last piece."""
    pending: dict[int, bytes] = {}
    lines = []
    for stream, data in frames:
        for code in data:
            pending[stream] = pending.pop(stream, b"") + bytes([code])
            if code == 10:
                lines.append((stream, pending.pop(stream)))
    return lines + list(pending.items())


@many
@given(pieces)
def test_frames_come_back_as_written(tmp_path: Path, frames: list[tuple[int, bytes]]) -> None:
    path = fresh(tmp_path)
    write(path, frames)
    assert list(iter_frames(str(path))) == [(i, s, d) for i, (s, d) in enumerate(frames)]


@many
@given(pieces, st.integers(0, 12), st.integers(30, 200))
def test_tail_returns_exactly_the_last_lines(
    tmp_path: Path, frames: list[tuple[int, bytes]], count: int, max_size: int
) -> None:
    path = fresh(tmp_path)
    write(path, frames, max_size_bytes=max_size, max_files=1000)
    got: dict[int, bytes] = {}
    for _, stream, data in iter_frames(str(path), tail=count):
        got[stream] = got.get(stream, b"") + data
    wanted: dict[int, bytes] = {}
    ended = [line for line in lines_of(frames) if line[1].endswith(b"\n")]
    unfinished = [line for line in lines_of(frames) if not line[1].endswith(b"\n")]
    assert sum(data.count(b"\n") + (not data.endswith(b"\n")) for data in got.values()) == min(
        count, len(ended) + len(unfinished)
    )
    for stream in (STDOUT, STDERR):
        whole = b"".join(data for s, data in frames if s == stream)
        wanted[stream] = got.get(stream, b"")
        start = len(whole) - len(wanted[stream])
        assert whole.endswith(wanted[stream])
        assert start in (0, len(whole)) or whole[start - 1 : start] == b"\n"


def test_tail_counts_both_streams_together(tmp_path: Path) -> None:
    write(tmp_path / "log", [(1, b"a\nb\n"), (2, b"c\n"), (1, b"d\ne")])
    assert list(iter_frames(str(tmp_path / "log"), tail=3)) == [(1, 2, b"c\n"), (2, 1, b"d\ne")]


def test_a_line_in_many_frames_is_found_from_its_beginning(tmp_path: Path) -> None:
    write(tmp_path / "log", [(1, b"x\nbe"), (2, b"no\n"), (1, b"gin"), (1, b" end\n")])
    last = list(iter_frames(str(tmp_path / "log"), tail=1))
    assert last == [(0, 1, b"be"), (2, 1, b"gin"), (3, 1, b" end\n")]


def test_since_and_until_choose_frames(tmp_path: Path) -> None:
    write(tmp_path / "log", [(1, b"%d\n" % n) for n in range(6)])
    frames = iter_frames(str(tmp_path / "log"), since_ns=2, until_ns=4)
    assert [timestamp for timestamp, _, _ in frames] == [2, 3, 4]


def test_a_reader_knows_that_nothing_can_come_after_until(tmp_path: Path) -> None:
    write(tmp_path / "log", [(1, b"early\n"), (1, b"late\n")])
    reader = LogReader(str(tmp_path / "log"), until_ns=0)
    assert reader.read_available() == [(0, 1, b"early\n")]
    assert reader.finished
    reader.close()


def test_rotation_keeps_no_more_files_than_allowed_and_the_newest_frames(tmp_path: Path) -> None:
    frame = b"x" * (100 - OVERHEAD)
    write(tmp_path / "log", [(1, frame)] * 10, max_size_bytes=208, max_files=3)
    assert sorted(os.listdir(tmp_path)) == ["log", "log.1", "log.2"]
    assert [timestamp for timestamp, _, _ in iter_frames(str(tmp_path / "log"))] == list(range(4, 10))
    assert max(file.stat().st_size for file in tmp_path.iterdir()) <= 208


def test_one_file_alone_is_started_anew(tmp_path: Path) -> None:
    write(tmp_path / "log", [(1, b"x" * 80)] * 3, max_size_bytes=150, max_files=1)
    assert os.listdir(tmp_path) == ["log"]
    assert [timestamp for timestamp, _, _ in iter_frames(str(tmp_path / "log"))] == [2]


@pytest.mark.parametrize("max_files", [1, 3, 1000])
def test_a_follower_sees_every_frame_across_rotations(tmp_path: Path, max_files: int) -> None:
    writer = LogWriter(str(tmp_path / "log"), max_size_bytes=150, max_files=max_files)
    reader = LogReader(str(tmp_path / "log"))
    seen = []
    for number in range(20):
        writer.write(number, STDOUT, b"x" * 40)
        seen += [timestamp for timestamp, _, _ in reader.read_available()]
    assert seen == list(range(20))
    assert reader.read_available() == []
    reader.close()
    writer.close()


def test_a_follower_may_fall_behind_by_several_rotations(tmp_path: Path) -> None:
    writer = LogWriter(str(tmp_path / "log"), max_size_bytes=150, max_files=1000)
    reader = LogReader(str(tmp_path / "log"))
    for number in range(20):
        writer.write(number, STDOUT, b"x" * 40)
    seen = []
    while frames := reader.read_available():
        seen += [timestamp for timestamp, _, _ in frames]
    assert seen == list(range(20))
    reader.close()
    writer.close()


def test_a_follower_may_come_before_the_log(tmp_path: Path) -> None:
    reader = LogReader(str(tmp_path / "log"), tail=5)
    assert reader.read_available() == []
    write(tmp_path / "log", [(1, b"hello\n")])
    assert reader.read_available() == [(0, 1, b"hello\n")]
    reader.close()


@pytest.mark.parametrize("cut", range(1, OVERHEAD + 6))
def test_a_torn_frame_is_ignored_by_readers_and_cut_off_by_the_next_writer(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "log"
    write(path, [(1, b"first\n"), (1, b"second")])
    os.truncate(path, path.stat().st_size - cut)
    assert list(iter_frames(str(path))) == [(0, 1, b"first\n")]
    assert list(iter_frames(str(path), tail=1)) == [(0, 1, b"first\n")]
    write(path, [(2, b"third\n")])
    assert [data for _, _, data in iter_frames(str(path))] == [b"first\n", b"third\n"]


@many
@given(st.binary(max_size=200))
def test_any_bytes_are_a_log_that_can_be_read_and_written(tmp_path: Path, garbage: bytes) -> None:
    path = fresh(tmp_path)
    path.write_bytes(MAGIC + garbage)
    list(iter_frames(str(path)))
    list(iter_frames(str(path), tail=3))
    write(path, [(1, b"new\n")])
    assert list(iter_frames(str(path)))[-1][2] == b"new\n"


def test_a_long_payload_becomes_several_frames(tmp_path: Path) -> None:
    data = os.urandom(1 << 20)
    write(tmp_path / "log", [(1, data)])
    assert b"".join(payload for _, _, payload in iter_frames(str(tmp_path / "log"))) == data


def test_generations_are_numbered_by_age() -> None:
    assert [generation("log", age) for age in range(3)] == ["log", "log.1", "log.2"]


@given(pieces)
def test_lines_are_joined_across_frames(frames: list[tuple[int, bytes]]) -> None:
    splitter = LineSplitter()
    lines = [line for n, (s, d) in enumerate(frames) for line in splitter.feed(n, s, d)]
    lines += splitter.flush()
    assert sorted((s, d) for _, s, d in lines) == sorted(lines_of(frames))


def test_a_line_has_the_time_of_its_first_piece() -> None:
    splitter = LineSplitter()
    assert list(splitter.feed(1, STDOUT, b"be")) == []
    assert list(splitter.feed(2, STDERR, b"error\n")) == [(2, STDERR, b"error\n")]
    assert list(splitter.feed(3, STDOUT, b"gin\nnext")) == [(1, STDOUT, b"begin\n")]
    assert list(splitter.flush()) == [(3, STDOUT, b"next")]


def test_an_endless_line_comes_in_parts() -> None:
    splitter = LineSplitter()
    parts = list(splitter.feed(1, STDOUT, b"." * (2 * LONGEST_LINE + 1)))
    assert [len(data) for _, _, data in parts] == [LONGEST_LINE, LONGEST_LINE]
