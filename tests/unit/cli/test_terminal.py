# SPDX-License-Identifier: Apache-2.0
"""Raw mode, signals as bytes, detach keys, and the copy loop, on real descriptors."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import termios
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.cli import stream
from sampan.cli.attached import start_failure_status
from sampan.cli.detach_keys import DetachFilter, parse_keys
from sampan.cli.stream import Demultiplexer, Session
from sampan.cli.terminal import RawMode, SignalPipe, terminal_size
from sampan.client.http import Hijacked
from sampan.errors import InvalidArgument


@pytest.fixture
def pty() -> Iterator[tuple[int, int]]:
    master, slave = os.openpty()
    yield master, slave
    for descriptor in (master, slave):
        os.close(descriptor)


def test_raw_mode_passes_keys_and_comes_back_after_an_error(pty: tuple[int, int]) -> None:
    master, slave = pty
    before = termios.tcgetattr(slave)
    with contextlib.suppress(ZeroDivisionError), RawMode(slave):
        os.write(master, b"\x03\x1a\r")
        assert os.read(slave, 10) == b"\x03\x1a\r"
        raise ZeroDivisionError
    assert termios.tcgetattr(slave) == before


def test_raw_mode_leaves_pipes_alone() -> None:
    read, write = os.pipe()
    with RawMode(read):
        pass
    os.close(read)
    os.close(write)


def test_a_terminal_that_does_not_know_its_size_has_none(pty: tuple[int, int]) -> None:
    assert terminal_size(pty[1]) is None
    termios.tcsetwinsize(pty[1], (24, 80))
    assert terminal_size(pty[1]) == (24, 80)


def test_signals_become_bytes_and_dispositions_come_back() -> None:
    before = signal.getsignal(signal.SIGUSR1)
    with SignalPipe((signal.SIGUSR1, signal.SIGTERM)) as pipe:
        os.kill(os.getpid(), signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGTERM)
        select.select([pipe.descriptor], [], [], 5)
        assert sorted(pipe.take()) == sorted([signal.SIGUSR1, signal.SIGTERM])
        assert pipe.take() == []
    assert signal.getsignal(signal.SIGUSR1) is before


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("ctrl-p,ctrl-q", b"\x10\x11"),
        ("a,ctrl-a", b"a\x01"),
        ("ctrl-@,ctrl-[", b"\x00\x1b"),
        ("ctrl-\\", b"\x1c"),
    ],
)
def test_detach_keys_are_read(text: str, keys: bytes) -> None:
    assert parse_keys(text) == keys


@pytest.mark.parametrize("text", ["", "ctrl-", "ctrl-A", "ab", "ctrl-p,,", "ä"])
def test_keys_that_do_not_exist_are_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="invalid escape keys"):
        parse_keys(text)


@given(st.lists(st.binary(max_size=4), max_size=8))
def test_the_filter_finds_the_sequence_however_it_is_cut(pieces: list[bytes]) -> None:
    typed = b"".join(pieces).replace(b"\x10", b"x")
    whole = DetachFilter(b"\x10\x11")
    passed = b"".join(whole.feed(typed[n : n + 1]) for n in range(len(typed)))
    assert passed == typed
    passed = whole.feed(b"\x10x") + whole.feed(b"\x10") + whole.feed(b"\x11rest")
    assert (passed, whole.found) == (b"\x10x", True)


def frame(target: int, data: bytes) -> bytes:
    return bytes([target, 0, 0, 0]) + len(data).to_bytes(4, "big") + data


@given(
    frames=st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=20)), max_size=6),
    cuts=st.lists(st.integers(1, 9), max_size=40),
)
def test_frames_are_put_together_however_they_are_cut(
    frames: list[tuple[int, bytes]], cuts: list[int]
) -> None:
    seen = {1: b"", 2: b""}

    def write(target: int, data: bytes) -> None:
        seen[target] += data

    demultiplexer = Demultiplexer(write)
    rest = b"".join(frame(target, data) for target, data in frames)
    for size in [*cuts, len(rest) or 1]:
        demultiplexer.feed(rest[:size])
        rest = rest[size:]
    for target in (1, 2):
        assert seen[target] == b"".join(data for to, data in frames if to == target)


class Ends:
    """A session between pipes: what the user types, what they see, and the engine's end."""

    def __init__(self, patch: pytest.MonkeyPatch, *, keys: bytes = b"", multiplexed: bool = True) -> None:
        self.engine, ours = socket.socketpair()
        self.engine.settimeout(10)
        self.stdin, self.typing = os.pipe()
        self.seen: list[tuple[int, bytes]] = []
        patch.setattr(stream, "write_all", lambda target, data: self.seen.append((target, bytes(data))))
        connection = Hijacked(ours, b"", 101, {})  # type: ignore[arg-type]
        self.session = Session(connection, multiplexed=multiplexed, stdin=self.stdin, keys=keys)
        self.detached: bool | None = None
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        self.detached = self.session.run()

    def close(self) -> None:
        self.engine.close()
        self.thread.join(10)
        assert not self.thread.is_alive()
        os.close(self.stdin)
        if self.typing >= 0:
            os.close(self.typing)

    def end_stdin(self) -> None:
        os.close(self.typing)
        self.typing = -1


def test_the_end_of_stdin_is_a_half_close_and_output_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = Ends(monkeypatch)
    os.write(ends.typing, b"hello")
    ends.end_stdin()
    received = b""
    while part := ends.engine.recv(100):
        received += part
    assert received == b"hello"
    ends.engine.sendall(frame(1, b"out") + frame(2, b"err"))
    ends.close()
    assert ends.seen == [(1, b"out"), (2, b"err")]
    assert ends.detached is False


def test_output_is_read_while_nobody_takes_the_input(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = Ends(monkeypatch, multiplexed=False)
    writer = threading.Thread(target=os.write, args=(ends.typing, b"x" * 3_000_000))
    writer.start()
    ends.engine.sendall(b"y" * 3_000_000)
    received = 0
    while received < 3_000_000:
        received += len(ends.engine.recv(1 << 16))
    writer.join(10)
    ends.close()
    assert sum(len(data) for _, data in ends.seen) == 3_000_000


def test_detach_keys_end_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = Ends(monkeypatch, keys=b"\x10\x11", multiplexed=False)
    os.write(ends.typing, b"ls\x10\x11more")
    ends.thread.join(10)
    assert ends.detached is True
    ends.close()


def test_an_engine_that_closes_at_once_ends_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = Ends(monkeypatch)
    ends.close()
    assert ends.detached is False
    assert ends.seen == []


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ('exec: "nope": executable file not found in $PATH: unknown', 127),
        ("stat /nope: no such file or directory", 127),
        ("exec /etc/passwd: permission denied", 126),
        ('exec: "/etc": is a directory', 126),
        ("port is already allocated", 125),
    ],
)
def test_the_words_of_a_failed_start_give_the_status(message: str, status: int) -> None:
    assert start_failure_status(message) == status
