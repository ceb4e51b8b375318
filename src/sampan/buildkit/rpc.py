# SPDX-License-Identifier: Apache-2.0
"""gRPC on an HTTP/2 connection: calls that we answer, and calls that we make.

Implements: gRPC over HTTP/2 (request headers, `grpc-status` trailers, a status alone as the whole answer).
Holds: a method's failure is a status for its caller and never ends the connection; what a call has begun is
cancelled when its caller resets it or goes away.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

from sampan.buildkit.http2 import Http2, Stream
from sampan.buildkit.messages.values import Status
from sampan.buildkit.protobuf import Message, decode_message, encode_message
from sampan.buildkit.status import (
    INTERNAL,
    OK,
    UNIMPLEMENTED,
    UNKNOWN,
    error_of,
    read_trailers,
    status_of,
    trailers_of,
)
from sampan.errors import InvalidArgument, SampanError

logger = logging.getLogger(__name__)

_ANSWER = [(":status", "200"), ("content-type", "application/grpc")]
_METHOD = re.compile(r"/[\w.]+/\w+")

_Request = TypeVar("_Request", bound=Message)
_Response = TypeVar("_Response", bound=Message)

Call = Callable[["ServerCall"], Awaitable[None]]


class ServerCall:
    """A call that we answer: messages come and go until the method returns."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.metadata: Mapping[str, str] = stream.headers
        self._has_answered = False

    async def receive(self, message: type[_Request]) -> _Request:
        """The request of a call that has one."""
        data = await self.stream.receive()
        if data is None:
            raise InvalidArgument(f"{self.metadata.get(':path', '')}: no request in the call")
        return decode_message(message, data)

    async def send(self, message: Message) -> None:
        """The answer, or one of them."""
        if not self._has_answered:
            self._has_answered = True
            await self.stream.send_headers(_ANSWER)
        await self.stream.send(encode_message(message))

    async def end(self, status: Status) -> None:
        """Say how it ended."""
        headers = trailers_of(status)
        await self.stream.send_headers(headers if self._has_answered else _ANSWER + headers, end=True)


def unary(
    request: type[_Request], method: Callable[[_Request, Mapping[str, str]], Awaitable[Message]]
) -> Call:
    """A method with one request and one answer; it is given the call's metadata, too."""

    async def answer(call: ServerCall) -> None:
        await call.send(await method(await call.receive(request), call.metadata))

    return answer


async def serve(sock: socket.socket, initial: bytes, methods: Mapping[str, Call]) -> None:
    """Answer calls until the other side closes the connection; `initial` is what was already read of it."""
    tasks: dict[int, asyncio.Task[None]] = {}
    async with asyncio.TaskGroup() as group:

        def accept(stream: Stream) -> None:
            task = group.create_task(_answer(stream, methods))
            tasks[stream.number] = task
            task.add_done_callback(lambda _: tasks.pop(stream.number, None))

        def on_reset(stream: Stream) -> None:
            if (task := tasks.get(stream.number)) is not None:
                task.cancel()

        async with open_connection(sock, initial, Http2(accept=accept, on_reset=on_reset)) as connection:
            await connection.lost.wait()
        for task in tasks.values():
            task.cancel()


async def _answer(stream: Stream, methods: Mapping[str, Call]) -> None:
    call = ServerCall(stream)
    path = stream.headers.get(":path", "")
    try:
        await call.end(await _outcome(call, methods.get(path), path))
    except (SampanError, OSError):
        return  # the caller is gone
    finally:
        stream.close()


async def _outcome(call: ServerCall, method: Call | None, path: str) -> Status:
    if method is None:
        known = path if _METHOD.fullmatch(path) else "this method"
        return Status(UNIMPLEMENTED, f"{known} is not supported by this engine")
    try:
        await method(call)
    except SampanError as error:
        return status_of(error)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return Status(INTERNAL, f"{place}{error.strerror or error}")
    except Exception:
        logger.exception("call failed: %s", path)
        return Status(UNKNOWN, f"{path} failed", [])
    return Status(OK)


@contextlib.asynccontextmanager
async def open_connection(sock: socket.socket, initial: bytes, connection: Http2) -> AsyncIterator[Http2]:
    """Run a connection on a socket, which is closed after the block."""
    sock.setblocking(False)
    try:
        await asyncio.get_running_loop().connect_accepted_socket(lambda: connection, sock)
    except BaseException:
        sock.close()
        raise
    try:
        if initial:
            connection.data_received(initial)
        yield connection
    finally:
        connection.close()


class ClientCall(Generic[_Response]):
    """A call that we make, as its messages come and go."""

    def __init__(self, stream: Stream, path: str, response: type[_Response]) -> None:
        self.stream = stream
        self._path = path
        self._response = response

    async def send(self, *messages: Message) -> None:
        """Send messages."""
        await self.stream.send(*map(encode_message, messages))

    async def receive(self) -> _Response | None:
        """The next message, None when there are no more; the other side's error is raised."""
        data = await self.stream.receive()
        if data is None:
            self.check()
            return None
        return decode_message(self._response, data)

    async def receive_some(self) -> Sequence[bytes]:
        """The messages that have come, undecoded; none when there are no more."""
        found = await self.stream.receive_some()
        if not found:
            self.check()
        return found

    def check(self) -> None:
        """Raise the error that the call has ended with, if it is one."""
        code, message = read_trailers(self.stream.trailers or self.stream.headers)
        if code != OK:
            raise error_of(code, message, self._path.rpartition("/")[0].strip("/"))


@contextlib.asynccontextmanager
async def open_call(
    connection: Http2,
    path: str,
    response: type[_Response],
    metadata: Sequence[tuple[str, str]] = (),
) -> AsyncIterator[ClientCall[_Response]]:
    """Begin a call; what is left of it at the end of the block is given up."""
    stream = connection.open_stream()
    try:
        await stream.send_headers(
            [
                (":method", "POST"),
                (":scheme", "http"),
                (":path", path),
                (":authority", "localhost"),
                ("te", "trailers"),
                ("content-type", "application/grpc"),
                *metadata,
            ]
        )
        yield ClientCall(stream, path, response)
    finally:
        stream.close()


async def call_unary(
    connection: Http2,
    path: str,
    request: Message,
    response: type[_Response],
    metadata: Sequence[tuple[str, str]] = (),
) -> _Response:
    """A call with one request and one answer."""
    async with open_call(connection, path, response, metadata) as call:
        await call.send(request)
        await call.stream.end()
        answer = await call.receive()
        if answer is None:
            raise error_of(UNKNOWN, "no answer", path)
        return answer
