# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio

from sampan.build.history.events import LOG_LIMIT_BYTES
from sampan.build.progress import LogEvent, StatusEvent, VertexEvent, WarningEvent
from sampan.buildkit.messages.control import StatusResponse
from sampan.buildkit.messages.values import Status
from sampan.buildkit.record import BuildRecord


async def collect(record: BuildRecord) -> list[StatusResponse]:
    return [response async for response in record.watch()]


def log_of(responses: list[StatusResponse]) -> bytes:
    return b"".join(log.msg for response in responses for log in response.logs)


def test_whoever_watches_is_told_all_from_the_beginning() -> None:
    async def run() -> None:
        record = BuildRecord("ref")
        record.tell(VertexEvent("v1", "[1/2] FROM x", started_ns=1))
        early = asyncio.ensure_future(collect(record))
        await asyncio.sleep(0)
        record.tell(LogEvent("v1", 2, b"hello"))
        record.tell(StatusEvent("v1", "transferring context:", current=5, completed=True))
        record.tell(WarningEvent("beware", file="Dockerfile", line=3))
        await asyncio.sleep(0)
        record.tell(VertexEvent("v1", "[1/2] FROM x", started_ns=1, completed_ns=2, cached=True, error="bad"))
        record.end(Status(2, "bad"))
        for responses in (await early, await collect(record)):
            vertexes = [vertex for response in responses for vertex in response.vertexes]
            assert [vertex.completed is None for vertex in vertexes] == [True, False]
            assert vertexes[0].digest == vertexes[1].digest
            assert (vertexes[1].cached, vertexes[1].error) == (True, "bad")
            assert log_of(responses) == b"hello"
            (warning,) = [warning for response in responses for warning in response.warnings]
            assert (warning.vertex, warning.short) == (vertexes[0].digest, b"beware (line 3)")

    asyncio.run(run())


def test_what_a_step_says_is_cut_off_somewhere() -> None:
    async def run() -> None:
        record = BuildRecord("ref")
        for _ in range(5):
            record.tell(LogEvent("v1", 1, bytes(LOG_LIMIT_BYTES // 2 + 1)))
        record.tell(LogEvent("v2", 1, b"another step"))
        record.end(None)
        said = log_of(await collect(record))
        assert len(said) < LOG_LIMIT_BYTES + 100
        assert said.endswith(b"[output clipped, log limit 2MiB reached]\nanother step")

    asyncio.run(run())
