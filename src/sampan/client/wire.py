# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 on one connection: heads out, heads in, and bodies of the three lengths.

Implements: RFC 9112, sections 2 (message format), 6 (body length) and 7.1 (chunked), for a client that
sends one request at a time. A body is delimited by Content-Length, by chunks, or by the end of the
connection. Reads are large and buffered; what a server sent beyond a head stays in the buffer, so that a
hijacked connection loses nothing.
"""

from __future__ import annotations

from sampan.errors import DataCorrupt, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket as Socket  # noqa: N812 - a class, spelled as one
    from collections.abc import Iterator, Mapping

READ_BYTES = 1 << 16
_LONGEST_LINE = 1 << 16
_MSG_PEEK, _MSG_DONTWAIT = 0x2, 0x40
_MSG_NOSIGNAL = 0x4000  # SIGPIPE is left to stdout: an engine that went away is an error, not a silent end


class ConnectionLost(Unavailable):
    """The server closed the connection before its answer was complete."""

    def __init__(self) -> None:
        super().__init__("connection closed by the engine before its answer was complete")


class Head:
    """The status line and the fields (lower-case names) of an answer."""

    __slots__ = ("fields", "reason", "status")

    def __init__(self, status: int, reason: str, fields: dict[str, str]) -> None:
        self.status = status
        self.reason = reason
        self.fields = fields


class Wire:
    """A connected socket with a read buffer."""

    __slots__ = ("_buffer", "socket")

    def __init__(self, sock: Socket) -> None:
        self.socket = sock
        self._buffer = b""

    def send(self, data: bytes | memoryview) -> None:
        """Send everything, or raise ConnectionLost."""
        try:
            self.socket.sendall(data, _MSG_NOSIGNAL)
        except OSError as error:
            raise ConnectionLost from error

    def receive(self) -> bytes:
        """Whatever is there next, waiting for it; empty at the end."""
        if self._buffer:
            data, self._buffer = self._buffer, b""
            return data
        try:
            return self.socket.recv(READ_BYTES)
        except ConnectionError as error:
            raise ConnectionLost from error

    def is_quiet(self) -> bool:
        """Whether nothing has come, not even the end: what an idle connection must be to be used again."""
        if self._buffer:
            return False
        try:
            self.socket.recv(1, _MSG_PEEK | _MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False

    def comes_within(self, timeout_s: float) -> bool:
        """Wait until there is something to read, or the end, but no longer."""
        from select import POLLIN, poll

        if self._buffer:
            return True
        poller = poll()
        poller.register(self.socket.fileno(), POLLIN)
        return bool(poller.poll(max(0.0, timeout_s * 1000)))

    def take_buffer(self) -> bytes:
        """What was read beyond the last head; the buffer is empty afterwards."""
        data, self._buffer = self._buffer, b""
        return data

    def put_back(self, data: bytes) -> None:
        """Make `data` the next that is read."""
        self._buffer = data + self._buffer

    def read_line(self) -> bytes:
        """One line without its line end."""
        held = b""
        while b"\n" not in held:
            data = self.receive()
            if not data:
                raise ConnectionLost
            held += data
            if len(held) > _LONGEST_LINE:
                raise DataCorrupt("answer of the engine has a line too long")
        line, _, rest = held.partition(b"\n")
        self.put_back(rest)
        return line.rstrip(b"\r")

    def read_head(self) -> Head:
        """The next final (or 101) status line and its fields; other 1xx heads are passed over."""
        while True:
            head = self._read_any_head()
            if head.status == 101 or head.status >= 200:
                return head

    def _read_any_head(self) -> Head:
        version, _, rest = str(self.read_line(), "latin-1").partition(" ")
        status, _, reason = rest.partition(" ")
        if not version.startswith("HTTP/1.") or not status.isdecimal():
            raise DataCorrupt("answer is not HTTP", hint="is something else listening on that socket?")
        fields: dict[str, str] = {}
        while line := self.read_line():
            name, _, value = str(line, "latin-1").partition(":")
            fields[name.strip().lower()] = value.strip()
        return Head(int(status), reason, fields)

    def iter_length(self, length: int) -> Iterator[bytes]:
        """A body of exactly `length` bytes."""
        while length:
            data = self.receive()
            if not data:
                raise ConnectionLost
            if len(data) > length:
                self.put_back(data[length:])
                data = data[:length]
            length -= len(data)
            yield data

    def iter_chunks(self) -> Iterator[bytes]:
        """A chunked body; trailer fields are read and dropped."""
        while size := self._read_chunk_size():
            yield from self.iter_length(size)
            self.read_line()
        while self.read_line():
            pass

    def _read_chunk_size(self) -> int:
        size = self.read_line().partition(b";")[0].strip()
        try:
            return int(size, 16)
        except ValueError as error:
            raise DataCorrupt("answer of the engine has a malformed chunk") from error

    def iter_rest(self) -> Iterator[bytes]:
        """A body that ends with the connection."""
        while data := self.receive():
            yield data


def format_request(method: str, target: str, fields: Mapping[str, str]) -> bytes:
    """A request's head, with its empty line."""
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def encode_chunk(data: bytes) -> bytes:
    """One chunk of a chunked body; the empty chunk ends it."""
    return b"%x\r\n%b\r\n" % (len(data), data)
