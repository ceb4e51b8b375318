# SPDX-License-Identifier: Apache-2.0
"""Talk with an attached program: its input goes in, its output is collected, its time is kept.

Holds: the connection is never written to in a way that could block, since a program that waits for its
output to be read would then wait for ever; all output is read, also what is beyond the limit, for the same
reason. The input's end becomes a half-close, and output goes on.
"""

from __future__ import annotations

from select import POLLIN, POLLOUT, poll
from time import monotonic
from typing import TYPE_CHECKING

from sampan.client.frames import STDERR, STDOUT, iter_frames
from sampan.client.objects.result import Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sampan.client.http import Hijacked

_READ_BYTES = 1 << 16
_SHUT_WR = 1
_MSG_DONTWAIT = 0x40
_MSG_NOSIGNAL = 0x4000
_LAST_WORDS_S = 10.0  # how long a killed program's streams may take to end


class Output:
    """One stream's data, up to a limit."""

    def __init__(self, limit_bytes: int | None) -> None:
        self._parts: list[bytes] = []
        self._room = limit_bytes
        self.truncated = False

    def add(self, data: bytes) -> None:
        """Keep what there is room for."""
        if self._room is not None:
            self.truncated = self.truncated or len(data) > self._room
            data = data[: self._room]
            self._room -= len(data)
        if data:
            self._parts.append(data)

    @property
    def data(self) -> bytes:
        """Everything kept."""
        return b"".join(self._parts)


class Dialogue:
    """The streams of one attached program, from its start to the end of its output."""

    def __init__(
        self, connection: Hijacked, *, stdin: bytes | None, tty: bool, limit_bytes: int | None
    ) -> None:
        self._connection = connection
        self._socket = connection.socket
        self._pending = memoryview(stdin or b"")
        self._talking = stdin is not None
        self._tty = tty
        self._streams = {STDOUT: Output(limit_bytes), STDERR: Output(limit_bytes)}
        self._started = monotonic()
        self._timed_out = False

    def run(self, timeout_s: float | None, on_timeout: Callable[[], None]) -> None:
        """Read to the end; when the time is up call `on_timeout`, which kills the program or raises."""
        self._started = monotonic()
        pieces = self._iter_pieces(timeout_s, on_timeout)
        for stream, data in ((STDOUT, data) for data in pieces) if self._tty else iter_frames(pieces):
            self._streams[STDERR if stream == STDERR else STDOUT].add(data)

    def close(self) -> None:
        """Let the connection go."""
        self._socket.close()

    def result(self, exit_code: int) -> Result:
        """What there is to tell."""
        stdout, stderr = self._streams[STDOUT], self._streams[STDERR]
        return Result(
            exit_code=exit_code,
            stdout=stdout.data,
            stderr=stderr.data,
            truncated=stdout.truncated or stderr.truncated,
            timed_out=self._timed_out,
            duration_s=monotonic() - self._started,
        )

    def _iter_pieces(self, timeout_s: float | None, on_timeout: Callable[[], None]) -> Iterator[bytes]:
        if self._connection.initial:
            yield self._connection.initial
        poller = poll()
        deadline = None if timeout_s is None else monotonic() + timeout_s
        while True:
            poller.register(self._socket.fileno(), POLLIN | (POLLOUT if self._talking else 0))
            left_s = None if deadline is None else deadline - monotonic()
            events = [] if left_s is not None and left_s <= 0 else poller.poll(_milliseconds(left_s))
            if not events:
                if self._timed_out:
                    return
                self._timed_out, deadline = True, monotonic() + _LAST_WORDS_S
                on_timeout()
                continue
            if events[0][1] & POLLOUT:
                self._send()
            if events[0][1] & ~POLLOUT:
                data = self._receive()
                if not data:
                    return
                yield data

    def _receive(self) -> bytes:
        try:
            return self._socket.recv(_READ_BYTES)
        except ConnectionError:
            return b""

    def _send(self) -> None:
        """As much input as the other side takes, and its end behind the last of it."""
        try:
            if self._pending:
                sent = self._socket.send(self._pending, _MSG_DONTWAIT | _MSG_NOSIGNAL)
                self._pending = self._pending[sent:]
            if not self._pending:
                self._socket.shutdown(_SHUT_WR)
                self._talking = False
        except BlockingIOError:
            return
        except OSError:
            # The program reads no more; what it still says is read to its end.
            self._talking = False


def _milliseconds(left_s: float | None) -> float | None:
    return None if left_s is None else left_s * 1000
