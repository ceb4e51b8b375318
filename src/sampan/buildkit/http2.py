# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 on a socket that somebody else opened: many streams of messages, as its server or as its client.

Implements: RFC 9113 by the library h2, which knows the frames and their rules; here are the socket, the windows
and the buffers. A message is gRPC's: a byte that must be 0 (not compressed), four of length, and the data.
Holds: a stream keeps no more than its window and one message of MAX_MESSAGE_BYTES; what is not read is not
acknowledged, so the other side waits. When the connection ends, everything that waits for it is told.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import cast

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from h2.stream import StreamState

from sampan.errors import InvalidArgument, Unavailable

WINDOW_BYTES = 1 << 20
MAX_MESSAGE_BYTES = 16 << 20
_FRAME_BYTES = 1 << 18
_MAX_STREAMS = 128
_PREFIX = struct.Struct(">BI")
_COMPACT_BYTES = 1 << 16

Headers = Sequence[tuple[str, str]]


class Stream:
    """One call: messages in both directions, headers before and after them."""

    def __init__(self, connection: Http2, number: int) -> None:
        self._connection = connection
        self.number = number
        self.headers: dict[str, str] = {}
        self.trailers: dict[str, str] = {}
        self._buffer = bytearray()
        self._position = 0
        self._unacknowledged = 0
        self._has_ended = False
        self._error: Exception | None = None
        self._changed = asyncio.Event()
        self._may_send = asyncio.Event()

    async def receive(self) -> bytes | None:
        """The next message; None after the last."""
        messages = await self.receive_some(1)
        return messages[0] if messages else None

    async def receive_some(self, most: int = 1 << 30) -> list[bytes]:
        """The messages that have come, at least one; none at all after the last."""
        while not (messages := self._take(most)):
            if self._has_ended:
                if self._position < len(self._buffer):
                    raise InvalidArgument("gRPC stream ends inside a message")
                return []
            self._raise_error()
            self._acknowledge()
            self._changed.clear()
            await self._changed.wait()
        if self._unacknowledged > WINDOW_BYTES // 4:
            self._acknowledge()
        return messages

    async def send(self, *messages: bytes) -> None:
        """Send messages, and wait while the other side or the socket takes no more."""
        data = memoryview(b"".join([part for one in messages for part in (_PREFIX.pack(0, len(one)), one)]))
        while data:
            self._raise_error()
            room = self._connection.room(self.number)
            if not room:
                self._may_send.clear()
                await self._may_send.wait()
                continue
            with _told_as_unavailable():
                self._connection.h2.send_data(self.number, bytes(data[:room]))
            data = data[room:]
            await self._connection.flush()

    async def send_headers(self, headers: Headers, *, end: bool = False) -> None:
        """Send headers: the first, or with `end` the last thing."""
        self._raise_error()
        with _told_as_unavailable():
            self._connection.h2.send_headers(self.number, headers, end_stream=end)
        await self._connection.flush()

    async def end(self) -> None:
        """Send nothing more; what is on its way to us still comes."""
        self._raise_error()
        with _told_as_unavailable():
            self._connection.h2.end_stream(self.number)
        await self._connection.flush()

    def close(self) -> None:
        """Forget the stream; the other side is told if it thinks that it goes on."""
        self._connection.forget(self.number, self._unacknowledged)
        self.fail(Unavailable("gRPC stream: closed"))

    async def wait_for_headers(self) -> None:
        """Wait for the other side's first headers."""
        while not self.headers and not self._has_ended:
            self._raise_error()
            self._changed.clear()
            await self._changed.wait()

    def _take(self, most: int) -> list[bytes]:
        """The whole messages at the beginning of the buffer."""
        buffer, position = self._buffer, self._position
        messages: list[bytes] = []
        while len(messages) < most and len(buffer) - position >= _PREFIX.size:
            compressed, length = _PREFIX.unpack_from(buffer, position)
            if compressed or length > MAX_MESSAGE_BYTES:
                raise InvalidArgument("gRPC message: compressed, or longer than 16 MiB")
            if len(buffer) - position < _PREFIX.size + length:
                break
            position += _PREFIX.size + length
            messages.append(bytes(buffer[position - length : position]))
        self._position = position
        if position == len(buffer) or position > _COMPACT_BYTES:
            del buffer[:position]
            self._position = 0
        return messages

    def _acknowledge(self) -> None:
        size, self._unacknowledged = self._unacknowledged, 0
        self._connection.acknowledge(self.number, size)

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    # What the connection tells a stream.

    def feed(self, data: bytes, flow_bytes: int) -> None:
        """Data came; `flow_bytes` is what it takes of the window."""
        self._buffer += data
        self._unacknowledged += flow_bytes
        self._changed.set()

    def feed_headers(self, headers: dict[str, str]) -> None:
        """Headers came: the first ones, or those after the messages."""
        if self.headers:
            self.trailers = headers
        else:
            self.headers = headers
        self._changed.set()

    def feed_end(self) -> None:
        """The other side sends nothing more."""
        self._has_ended = True
        self._changed.set()

    def fail(self, error: Exception) -> None:
        """The stream is over, and not because all was said."""
        self._error = self._error or error
        self._changed.set()
        self._may_send.set()

    def allow_sending(self) -> None:
        """The window grew."""
        self._may_send.set()


class Http2(asyncio.Protocol):
    """One connection. A server is told of each call by `accept`, and of a call's abrupt end by `on_reset`."""

    def __init__(
        self,
        *,
        accept: Callable[[Stream], None] | None = None,
        on_reset: Callable[[Stream], None] = lambda _: None,
    ) -> None:
        self._accept = accept
        self._on_reset = on_reset
        is_client = accept is None
        self.h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=is_client, header_encoding=None)
        )
        self.h2.local_settings = h2.settings.Settings(
            client=is_client,
            initial_values={
                SettingCodes.INITIAL_WINDOW_SIZE: WINDOW_BYTES,
                SettingCodes.MAX_FRAME_SIZE: _FRAME_BYTES,
                SettingCodes.MAX_CONCURRENT_STREAMS: _MAX_STREAMS,
                SettingCodes.MAX_HEADER_LIST_SIZE: 1 << 20,
            },
        )
        self.h2.max_inbound_frame_size = _FRAME_BYTES
        self._streams: dict[int, Stream] = {}
        self._transport: asyncio.Transport | None = None
        self._can_write = asyncio.Event()
        self._can_write.set()
        self.lost = asyncio.Event()

    def open_stream(self) -> Stream:
        """A new call, to be begun with its headers."""
        if self.lost.is_set():
            raise Unavailable("gRPC connection: the other side is gone")
        number = self.h2.get_next_available_stream_id()
        self._streams[number] = stream = Stream(self, number)
        return stream

    def room(self, number: int) -> int:
        """How many bytes a frame of this stream may have now."""
        with _told_as_unavailable():
            window = self.h2.local_flow_control_window(number)
        return max(0, min(window, self.h2.max_outbound_frame_size))

    def acknowledge(self, number: int, size: int) -> None:
        """Data was used up: more may come."""
        if not size or self.lost.is_set():
            return
        try:
            self.h2.acknowledge_received_data(size, number)
        except h2.exceptions.ProtocolError:
            return  # the stream or the connection has ended
        self._write()

    def forget(self, number: int, unacknowledged: int) -> None:
        """A stream is over on our side."""
        if self._streams.pop(number, None) is None or self.lost.is_set():
            return
        self.acknowledge(number, unacknowledged)
        stream = self.h2.streams.get(number)
        state = stream.state_machine.state if stream is not None else StreamState.CLOSED
        if state not in (StreamState.CLOSED, StreamState.IDLE):
            has_said_all = state is StreamState.HALF_CLOSED_LOCAL
            self.h2.reset_stream(number, ErrorCodes.NO_ERROR if has_said_all else ErrorCodes.CANCEL)
        self._write()

    async def flush(self) -> None:
        """Hand to the socket what is to be sent, and wait while it is full."""
        self._write()
        await self._can_write.wait()

    def close(self) -> None:
        """End the connection."""
        if self._transport is not None and not self.lost.is_set():
            with contextlib.suppress(h2.exceptions.ProtocolError):
                self.h2.close_connection()
            self._write()
            self._transport.close()

    def abort(self) -> None:
        """End the connection now, whatever is on its way."""
        if self._transport is not None:
            self._transport.abort()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is ours: greet."""
        self._transport = cast("asyncio.Transport", transport)
        self.h2.initiate_connection()
        self.h2.increment_flow_control_window(4 * WINDOW_BYTES)
        self._write()

    def connection_lost(self, _: Exception | None) -> None:
        """The other side is gone, or we are."""
        self.lost.set()
        self._can_write.set()
        for stream in list(self._streams.values()):
            stream.fail(Unavailable("gRPC connection: the other side is gone"))
        self._streams.clear()

    def pause_writing(self) -> None:
        """The socket is full."""
        self._can_write.clear()

    def resume_writing(self) -> None:
        """It takes more."""
        self._can_write.set()

    def data_received(self, data: bytes) -> None:
        """Frames, in pieces of any size; what is no HTTP/2 ends the connection."""
        try:
            events = self.h2.receive_data(data)
            for event in events:
                self._handle(event)
        except (h2.exceptions.H2Error, ValueError, KeyError, IndexError):
            self._write()
            if self._transport is not None:
                self._transport.close()
            return
        self._write()

    def _write(self) -> None:
        data = self.h2.data_to_send()
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _handle(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.DataReceived():
                self._data(event)
            case h2.events.RequestReceived():
                self._request(event)
            case h2.events.ResponseReceived() | h2.events.TrailersReceived():
                self._tell(event.stream_id, lambda stream: stream.feed_headers(_decode(event.headers)))
            case h2.events.StreamEnded():
                self._tell(event.stream_id, Stream.feed_end)
            case h2.events.StreamReset():
                self._reset(event.stream_id)
            case h2.events.WindowUpdated() | h2.events.RemoteSettingsChanged():
                for stream in self._streams.values():
                    stream.allow_sending()
            case h2.events.ConnectionTerminated():
                if self._transport is not None:
                    self._transport.close()

    def _data(self, event: h2.events.DataReceived) -> None:
        stream = self._streams.get(event.stream_id or 0)
        if stream is None:  # forgotten, while this was on its way
            self.acknowledge(event.stream_id or 0, event.flow_controlled_length or 0)
        else:
            stream.feed(event.data or b"", event.flow_controlled_length or 0)

    def _request(self, event: h2.events.RequestReceived) -> None:
        assert self._accept is not None
        stream = Stream(self, event.stream_id or 0)
        stream.headers = _decode(event.headers)
        self._streams[stream.number] = stream
        self._accept(stream)

    def _reset(self, number: int | None) -> None:
        stream = self._streams.pop(number or 0, None)
        if stream is not None:
            stream.fail(Unavailable("gRPC stream: ended by the other side"))
            self._on_reset(stream)

    def _tell(self, number: int | None, what: Callable[[Stream], None]) -> None:
        stream = self._streams.get(number or 0)
        if stream is not None:
            what(stream)


@contextlib.contextmanager
def _told_as_unavailable() -> Iterator[None]:
    """What h2 says of a stream that has ended under us."""
    try:
        yield
    except h2.exceptions.ProtocolError:
        raise Unavailable("gRPC stream: closed by the other side") from None


def _decode(headers: object) -> dict[str, str]:
    """Headers are ASCII here; of one that comes twice the values are joined, as HTTP has it."""
    decoded: dict[str, str] = {}
    for name, value in cast("Sequence[tuple[bytes, bytes]]", headers or ()):
        key, text = name.decode("utf-8", "replace"), value.decode("utf-8", "replace")
        decoded[key] = f"{decoded[key]},{text}" if key in decoded else text
    return decoded
