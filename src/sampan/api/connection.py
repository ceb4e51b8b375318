# SPDX-License-Identifier: Apache-2.0
"""A client's connection in front of the HTTP server: keeps apart what is stream and what is request.

A client may send the first bytes of its stream right behind the request that asks for one, and close its
sending side at once. An HTTP parser would take these bytes for the next request. So the end of such a request
(attach, exec start, session) is found here, and what follows is held back until the route has taken the connection
(`take_rest`) or has answered without it (`give_back`).
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from aiohttp.web_protocol import RequestHandler

ASKS_FOR_STREAM = re.compile(
    rb"POST (?:/v[\d.]+)?/(?:containers/[^/ ?]+/attach|exec/[^/ ?]+/start|session|grpc)[ ?]"
)
LONGEST_START = 512  # of a request line, up to its path's end
HEAD_LIMIT = 1 << 20
HELD_LIMIT = 1 << 18
HEAD_END = b"\r\n\r\n"


class Connection(asyncio.Protocol):
    """Passes everything on to aiohttp's protocol but the bytes behind a request for a stream."""

    def __init__(self, inner: RequestHandler) -> None:
        self._inner = inner
        self._transport: asyncio.Transport | None = None
        self._asking = b""
        """The beginning of a request for a stream, while the rest of it has not come."""
        self._rest: bytearray | None = None
        """What came behind a request for a stream that has not been answered yet."""
        self._has_ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        self._transport = cast("asyncio.Transport", transport)
        self._inner.connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """It has gone."""
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """It takes less than it is sent."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """It takes more again."""
        self._inner.resume_writing()

    def eof_received(self) -> bool | None:
        """It sends no more. The end of a stream's input is read by the stream's next owner."""
        if self._rest is None:
            return cast("bool | None", self._inner.eof_received())
        self._has_ended = True
        return True

    def data_received(self, data: bytes) -> None:
        """Hold back what is not HTTP."""
        if self._rest is not None:
            self._rest += data
            if len(self._rest) >= HELD_LIMIT and self._transport is not None:
                self._transport.pause_reading()
        elif self._asking or (self._is_between_requests() and ASKS_FOR_STREAM.match(data, 0, LONGEST_START)):
            self._collect(data)
        else:
            self._inner.data_received(data)

    def take_rest(self) -> bytes:
        """The route takes the connection: what the client has sent behind its request."""
        rest, self._rest = bytes(self._rest or b""), None
        return rest

    def give_back(self) -> bool:
        """The route has answered without taking the connection; False if the client will ask nothing more."""
        rest = self.take_rest()
        if rest and self._transport is not None:
            self._transport.resume_reading()
            self._inner.data_received(rest)
        return not self._has_ended

    def _is_between_requests(self) -> bool:
        """Bytes of a body never begin a request."""
        return self._inner._current_request is None and not self._inner._messages

    def _collect(self, data: bytes) -> None:
        self._asking += data
        length = request_length(self._asking)
        if length is None and len(self._asking) < HEAD_LIMIT:
            return
        asking, self._asking = self._asking, b""
        if length is None or length < 0:
            self._inner.data_received(asking)
        elif length <= len(asking):
            self._rest = bytearray(asking[length:])
            self._inner.data_received(asking[:length])
        else:
            self._asking = asking


def request_length(data: bytes) -> int | None:
    """Bytes of head and body of the request that `data` begins with: None if the head is not whole yet,
    -1 if only an HTTP parser can tell (a chunked body).
    """
    head, end, _ = data.partition(HEAD_END)
    if not end:
        return None
    length = len(head) + len(end)
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        match name.strip().lower():
            case b"content-length":
                return length + int(value) if value.strip().isdigit() else -1
            case b"transfer-encoding":
                return -1
    return length
