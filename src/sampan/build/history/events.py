# SPDX-License-Identifier: Apache-2.0
"""The events of a build in a file: JSON lines, each with its moment, compressed by zstd.

Holds: what has been flushed can be read although the end of the file is missing; what a step prints is kept up to
LOG_LIMIT_BYTES, that of a whole build up to OUTPUT_LIMIT_BYTES, and then a line says so, in BuildKit's words.
"""

from __future__ import annotations

import json
from binascii import a2b_base64
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import zstandard

from sampan.build.progress import LogEvent, MaterialEvent, StatusEvent, VertexEvent, WarningEvent

if TYPE_CHECKING:
    from sampan.build.progress import Progress

    Timed: TypeAlias = "tuple[int, Progress]"

LOG_LIMIT_BYTES = 2 << 20
OUTPUT_LIMIT_BYTES = 16 << 20
_CLIPPED = b"\n[output clipped, log limit %dMiB reached]\n"
_FLUSH_BYTES = 1 << 16


class Clipping:
    """Cuts off what is too much of the output."""

    def __init__(self) -> None:
        self._said: dict[str, int] = {}
        self._total = 0

    def take(self, event: LogEvent) -> LogEvent | None:
        """The part of it that is kept."""
        before = self._said.get(event.id, 0)
        room = min(LOG_LIMIT_BYTES - before, OUTPUT_LIMIT_BYTES - self._total)
        if room < 0:
            return None
        self._said[event.id] = before + len(event.data)
        self._total += len(event.data)
        if len(event.data) <= room:
            return event
        self._said[event.id] = LOG_LIMIT_BYTES + 1
        limit = LOG_LIMIT_BYTES if room == LOG_LIMIT_BYTES - before else OUTPUT_LIMIT_BYTES
        return LogEvent(event.id, event.stream, event.data[:room] + _CLIPPED % (limit >> 20))


class EventWriter:
    """Writes one file, from the loop's thread."""

    def __init__(self, path: str) -> None:
        self._file = open(path, "xb")  # noqa: SIM115 - closed by `close`
        self._packer = zstandard.ZstdCompressor(level=3).compressobj()
        self._waiting = 0

    def write(self, moment_ns: int, event: Progress) -> None:
        """Add an event; much of anything is at once in the file."""
        line = json.dumps({"at": moment_ns, **event.to_json()}).encode() + b"\n"  # knows names of any bytes
        self._file.write(self._packer.compress(line))
        self._waiting += len(line)
        if self._waiting > _FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Let the file have all that there is."""
        if self._waiting:
            self._file.write(self._packer.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK))
            self._file.flush()
            self._waiting = 0

    def close(self) -> int:
        """End the file: its size. No build waits for the disk on account of its history."""
        with self._file as file:
            file.write(self._packer.flush())
            return file.tell()


def read_events(path: str) -> Iterator[Timed]:
    """The events of a file, as far as they are there."""
    try:
        file = open(path, "rb")  # noqa: SIM115 - closed below
    except FileNotFoundError:
        return
    with file:
        rest = b""
        unpacker = zstandard.ZstdDecompressor().decompressobj()
        while data := file.read(_FLUSH_BYTES):
            try:
                *lines, rest = (rest + unpacker.decompress(data)).split(b"\n")
            except zstandard.ZstdError:  # the machine went down before the disk had it
                return
            for line in lines:
                fields = json.loads(line)
                yield fields["at"], decode_event(fields)
            if unpacker.eof:
                return


def decode_event(fields: Mapping[str, Any]) -> Progress:
    """The event of its JSON object."""
    values = {name: value for name, value in fields.items() if name not in ("type", "at")}
    match fields["type"]:
        case "vertex":
            return VertexEvent(values.pop("id"), values.pop("name"), **values)
        case "log":
            return LogEvent(values["id"], values["stream"], a2b_base64(values["data"]))
        case "status":
            return StatusEvent(values.pop("id"), values.pop("name"), **values)
        case "warning":
            return WarningEvent(values.pop("text"), **values)
    return MaterialEvent(**values)
