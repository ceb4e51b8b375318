# SPDX-License-Identifier: Apache-2.0
"""Reading a container's log as the API gives it: framed or raw, with timestamps, from a moment, following.

Source: Engine API v1.51, ContainerLogs; the frame is one byte of stream, three zeros, a big-endian length.
The shim writes whole chunks of output without looking for lines; lines matter only where a timestamp or
details stand before each.
"""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing, asynccontextmanager, closing, suppress
from dataclasses import dataclass

from sampan.engine.model import Container
from sampan.errors import Unsupported
from sampan.schema.times import format_fixed_time
from sampan.shim.loglines import LineSplitter
from sampan.shim.logread import LogReader

FRAME_HEAD = struct.Struct(">B3xI")
POLL_S = 0.02  # follow: how soon new output is seen while something comes
IDLE_POLL_S = 0.2  # … and after a while of silence
IDLE_AFTER = 50


@dataclass(frozen=True, slots=True)
class LogRequest:
    """What to read: which streams, how many lines of the end (None: all), between which moments (0: open).

    `details` stand before each line.
    """

    stdout: bool = True
    stderr: bool = True
    follow: bool = False
    timestamps: bool = False
    tail: int | None = None
    since_ns: int = 0
    until_ns: int = 0
    framed: bool = True
    details: str | None = None


class Logs:
    """Opens logs; a reader never disturbs the shim that writes."""

    @asynccontextmanager
    async def open(
        self, container: Container, request: LogRequest
    ) -> AsyncIterator[AsyncGenerator[bytes, None]]:
        """The log in chunks, ready to be sent. Refuses a container whose driver keeps nothing.

        The files are open from now on: who follows a short run gets its output although the container may be
        removed before the first read.
        """
        if container.host_config.log_config.type == "none":
            raise Unsupported("configured logging driver does not support reading")
        if container.state.is_running:
            _ensure_file(container.document.log_path)
        reader = LogReader(
            container.document.log_path,
            tail=request.tail,
            since_ns=request.since_ns,
            until_ns=request.until_ns or None,
        )
        with closing(reader):
            async with aclosing(self._read(container, request, reader)) as chunks:
                yield chunks

    async def _read(
        self, container: Container, request: LogRequest, reader: LogReader
    ) -> AsyncGenerator[bytes, None]:
        rendering = Rendering(request)
        idle = 0
        while not reader.finished:
            was_running = container.state.is_running
            frames = await asyncio.to_thread(reader.read_available)
            if frames:
                idle = 0
                yield rendering.render(frames)
            elif not (request.follow and was_running):
                break
            else:
                idle += 1
                await asyncio.sleep(POLL_S if idle < IDLE_AFTER else IDLE_POLL_S)
        yield rendering.finish()


def _ensure_file(path: str) -> None:
    """A program may run for a moment before its shim has opened the log: an empty one is as good to both."""
    with suppress(FileNotFoundError):
        os.close(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640))


class Rendering:
    """Turns the log's frames into bytes of the answer."""

    def __init__(self, request: LogRequest) -> None:
        self._request = request
        self._streams = {n for n, on in ((1, request.stdout), (2, request.stderr)) if on}
        self._lines = LineSplitter()

    def render(self, frames: Iterable[tuple[int, int, bytes]]) -> bytes:
        """All that these frames add to the answer."""
        wanted = (frame for frame in frames if frame[1] in self._streams)
        if self._request.timestamps or self._request.details is not None:
            return b"".join(self._stamp(line) for frame in wanted for line in self._lines.feed(*frame))
        return b"".join(self._frame(stream, payload) for _, stream, payload in wanted)

    def finish(self) -> bytes:
        """What is left of lines that never ended."""
        return b"".join(map(self._stamp, self._lines.flush()))

    def _stamp(self, line: tuple[int, int, bytes]) -> bytes:
        timestamp_ns, stream, text = line
        if self._request.details is not None:
            text = self._request.details.encode() + b" " + text
        if self._request.timestamps:
            text = format_fixed_time(timestamp_ns).encode() + b" " + text
        return self._frame(stream, text)

    def _frame(self, stream: int, payload: bytes) -> bytes:
        return FRAME_HEAD.pack(stream, len(payload)) + payload if self._request.framed else payload
