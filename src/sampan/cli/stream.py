# SPDX-License-Identifier: Apache-2.0
"""Copy between the user's descriptors and a hijacked connection, in one thread.

Implements: the Engine API's stream format (``/containers/{id}/attach``): eight bytes of header (stream, three
zeros, big-endian length) and the data; raw bytes where the container has a terminal.

Holds: stdin at its end becomes a half-close, and output goes on; the connection is never written to in a way
that could block, since a program that waits for its output to be read would then wait for ever.
"""

from __future__ import annotations

import os
from select import POLLERR, POLLHUP, POLLIN, POLLOUT, poll

from sampan.cli.detach_keys import DetachFilter
from sampan.cli.output import write_all
from sampan.cli.terminal import STDERR, STDOUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from sampan.cli.terminal import SignalPipe
    from sampan.client.http import Hijacked

_READ_BYTES = 1 << 16
_HELD_BYTES = 1 << 20
_HEADER_BYTES = 8
_SHUT_WR = 1
_MSG_DONTWAIT = 0x40
_MSG_NOSIGNAL = 0x4000
_READABLE = POLLIN | POLLHUP | POLLERR


class Demultiplexer:
    """Gives each frame's data to its stream, as far as it has come; a header may arrive in pieces."""

    __slots__ = ("_header", "_left", "_target", "_write")

    def __init__(self, write: Callable[[int, bytes], None]) -> None:
        self._write = write
        self._header = b""
        self._left = 0
        self._target = STDOUT

    def feed(self, data: bytes) -> None:
        """Take what arrived."""
        view = memoryview(data)
        while view:
            if self._left:
                part, view = view[: self._left], view[self._left :]
                self._left -= len(part)
                self._write(self._target, bytes(part))
                continue
            missing = _HEADER_BYTES - len(self._header)
            self._header += bytes(view[:missing])
            view = view[missing:]
            if len(self._header) == _HEADER_BYTES:
                self._target = STDERR if self._header[0] == STDERR else STDOUT
                self._left = int.from_bytes(self._header[4:], "big")
                self._header = b""


class Session:
    """One attached connection; `run` returns when it ended, and says whether the user detached."""

    def __init__(
        self,
        connection: Hijacked,
        *,
        multiplexed: bool,
        stdin: int | None,
        keys: bytes = b"",
        signals: SignalPipe | None = None,
        on_signal: Callable[[int], None] | None = None,
    ) -> None:
        self._socket = connection.socket
        self._stdin = stdin
        self._filter = DetachFilter(keys)
        self._signals = signals
        self._on_signal = on_signal
        self._pending = b""
        self._ended_stdin = stdin is None
        self._open = True
        self._show = Demultiplexer(write_all).feed if multiplexed else _show_raw
        if connection.initial:
            self._show(connection.initial)

    def run(self) -> bool:
        """Copy until the other side closes; True when the detach keys were typed."""
        poller = poll()
        socket = self._socket.fileno()
        poller.register(socket, POLLIN)
        if self._signals is not None:
            poller.register(self._signals.descriptor, POLLIN)
        reading = False
        while self._open and not self._filter.found:
            reading = self._watch_stdin(poller, reading)
            poller.modify(socket, POLLIN | POLLOUT if self._pending else POLLIN)
            for descriptor, events in poller.poll():
                if descriptor == socket:
                    self._serve_socket(events)
                elif descriptor == self._stdin:
                    self._read_stdin()
                else:
                    self._serve_signals()
        self._socket.close()
        return self._filter.found

    def _watch_stdin(self, poller: poll, reading: bool) -> bool:
        """Read stdin only while there is room for what it says."""
        wanted = not self._ended_stdin and len(self._pending) < _HELD_BYTES
        if wanted != reading and self._stdin is not None:
            if wanted:
                poller.register(self._stdin, POLLIN)
            else:
                poller.unregister(self._stdin)
        return wanted

    def _serve_socket(self, events: int) -> None:
        if events & _READABLE:
            self._read_socket()
        if events & POLLOUT and self._pending and self._open:
            self._flush()

    def _read_socket(self) -> None:
        try:
            data = self._socket.recv(_READ_BYTES)
        except ConnectionError:
            data = b""
        if data:
            self._show(data)
        else:
            self._open = False

    def _read_stdin(self) -> None:
        assert self._stdin is not None
        try:
            data = os.read(self._stdin, _READ_BYTES)
        except OSError:
            # A terminal that hung up reads as EIO: its end as much as a closed pipe's.
            data = b""
        if data:
            self._pending += self._filter.feed(data)
        else:
            self._ended_stdin = True
        self._flush()

    def _flush(self) -> None:
        """Send as much as the other side takes, and the end of stdin behind the last of it."""
        try:
            if self._pending:
                sent = self._socket.send(self._pending, _MSG_DONTWAIT | _MSG_NOSIGNAL)
                self._pending = self._pending[sent:]
            if self._ended_stdin and not self._pending:
                self._socket.shutdown(_SHUT_WR)
        except BlockingIOError:
            return
        except OSError:
            # Nobody reads any more; what the program still says is read to its end.
            self._pending, self._ended_stdin = b"", True

    def _serve_signals(self) -> None:
        if self._signals is not None and self._on_signal is not None:
            for number in self._signals.take():
                self._on_signal(number)


def _show_raw(data: bytes) -> None:
    write_all(STDOUT, data)
