# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sampan.buildkit.http2 import MAX_MESSAGE_BYTES, WINDOW_BYTES, Http2
from sampan.buildkit.messages.control import BytesMessage
from sampan.buildkit.protobuf import Message
from sampan.buildkit.rpc import Call, ServerCall, call_unary, open_call, open_connection, serve, unary
from sampan.errors import InvalidArgument, NotFound, SampanError, Unavailable, Unsupported

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


async def echo(request: BytesMessage, _: Mapping[str, str]) -> Message:
    return BytesMessage(request.data)


async def refuse(_: BytesMessage, __: Mapping[str, str]) -> Message:
    raise NotFound("no such thing: ü % \n", hint="look elsewhere")


async def count(call: ServerCall) -> None:
    total = 0
    while (data := await call.stream.receive()) is not None:
        total += len(data)
    await call.send(BytesMessage(str(total).encode()))


async def break_down(_: BytesMessage, __: Mapping[str, str]) -> Message:
    raise ZeroDivisionError


async def wait(call: ServerCall) -> None:
    await call.send(BytesMessage(b"waiting"))
    await asyncio.Event().wait()


METHODS: dict[str, Call] = {
    "/t.T/Echo": unary(BytesMessage, echo),
    "/t.T/Refuse": unary(BytesMessage, refuse),
    "/t.T/BreakDown": unary(BytesMessage, break_down),
    "/t.T/Count": count,
    "/t.T/Wait": wait,
}


@contextlib.asynccontextmanager
async def connected(methods: Mapping[str, Call] = METHODS) -> AsyncIterator[Http2]:
    ours, theirs = socket.socketpair()
    serving = asyncio.ensure_future(serve(theirs, b"", methods))
    async with open_connection(ours, b"", Http2()) as connection:
        yield connection
    await asyncio.wait_for(serving, 5)


def test_calls_at_the_same_time_and_of_any_size() -> None:
    async def run() -> None:
        async with connected() as connection:
            sizes = [0, 1, 100_000, 3 * WINDOW_BYTES]
            sent = [BytesMessage(bytes(size)) for size in sizes]
            calls = [call_unary(connection, "/t.T/Echo", one, BytesMessage) for one in sent]
            assert await asyncio.gather(*calls) == sent

    asyncio.run(run())


def test_errors_keep_their_kind_and_words() -> None:
    async def run() -> None:
        async with connected() as connection:
            with pytest.raises(NotFound, match=r"no such thing: ü % \n \(look elsewhere\)"):
                await call_unary(connection, "/t.T/Refuse", BytesMessage(), BytesMessage)
            with pytest.raises(Unsupported, match=r"/t\.T/Other is not supported"):
                await call_unary(connection, "/t.T/Other", BytesMessage(), BytesMessage)
            with pytest.raises(SampanError, match=r"/t\.T/BreakDown failed"):
                await call_unary(connection, "/t.T/BreakDown", BytesMessage(), BytesMessage)
            answer = await call_unary(connection, "/t.T/Echo", BytesMessage(b"still there"), BytesMessage)
            assert answer.data == b"still there"

    asyncio.run(run())


def test_many_messages_in_one_call() -> None:
    async def run() -> None:
        async with connected() as connection, open_call(connection, "/t.T/Count", BytesMessage) as call:
            for _ in range(100):
                await call.send(*[BytesMessage(bytes(1000))] * 50)
            await call.stream.end()
            answer = await call.receive()
            assert answer is not None
            assert int(answer.data) == 5000 * 1003
            assert await call.receive() is None

    asyncio.run(run())


def test_a_call_that_is_given_up_is_cancelled_on_the_other_side() -> None:
    async def run() -> None:
        ended = asyncio.Event()

        async def method(call: ServerCall) -> None:
            try:
                await wait(call)
            finally:
                ended.set()

        async with connected({"/t.T/Wait": method}) as connection:
            async with open_call(connection, "/t.T/Wait", BytesMessage) as call:
                assert await call.receive() == BytesMessage(b"waiting")
            await asyncio.wait_for(ended.wait(), 5)

    asyncio.run(run())


def test_a_connection_that_breaks_ends_its_calls() -> None:
    async def run() -> None:
        async with connected() as connection, open_call(connection, "/t.T/Wait", BytesMessage) as call:
            assert await call.receive() == BytesMessage(b"waiting")
            connection.abort()
            with pytest.raises(Unavailable):
                await call.receive()

    asyncio.run(run())


def test_a_message_that_claims_to_be_huge_is_refused() -> None:
    async def run() -> None:
        async with connected() as connection, open_call(connection, "/t.T/Echo", BytesMessage) as call:
            connection.h2.send_data(call.stream.number, b"\0" + (MAX_MESSAGE_BYTES + 1).to_bytes(4, "big"))
            await connection.flush()
            with pytest.raises(InvalidArgument, match="longer than 16 MiB"):
                await call.receive()

    asyncio.run(run())


def test_what_nobody_reads_is_not_taken() -> None:
    async def run() -> None:
        async with connected() as connection, open_call(connection, "/t.T/Wait", BytesMessage) as call:
            assert await call.receive() is not None

            async def flood() -> None:
                while True:
                    await call.send(BytesMessage(bytes(1 << 18)))

            with pytest.raises(TimeoutError):
                await asyncio.wait_for(flood(), 0.2)
            assert connection.h2.remote_flow_control_window(call.stream.number) <= WINDOW_BYTES

    asyncio.run(run())


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=300), st.booleans(), st.integers(1, 50))
def test_no_bytes_break_the_server(data: bytes, is_http2: bool, piece: int) -> None:
    async def run() -> None:
        ours, theirs = socket.socketpair()
        serving = asyncio.ensure_future(serve(theirs, b"", METHODS))
        ours.setblocking(False)
        loop = asyncio.get_running_loop()
        sent = (PREFACE + b"\0\0\0\4\0\0\0\0\0" if is_http2 else b"") + data
        with contextlib.suppress(OSError):
            for start in range(0, len(sent), piece):
                await loop.sock_sendall(ours, sent[start : start + piece])
        ours.close()
        await asyncio.wait_for(serving, 5)

    asyncio.run(run())
