# SPDX-License-Identifier: Apache-2.0
"""Compressed streams: told apart by their first bytes, and read as if they were not compressed.

Implements: RFC 1952 (gzip, several members), RFC 8878 (zstd, several frames), bzip2 and xz.
Holds: a stream that ends too early or does not decode is InvalidArchive, never a short read.
"""

from __future__ import annotations

import io
import lzma
from collections.abc import Callable
from typing import IO, Any, cast

import zstandard
from isal import igzip, isal_zlib

from sampan.archive.entry import InvalidArchive
from sampan.archive.reader import Readable

_BUFFER_BYTES = 1 << 20
_PEEK_BYTES = 16
# Four bytes of zstd can stand for 128 KiB, so what is decompressed at once must be little.
_ZSTD_INPUT_BYTES = 2048


def detect_compression(start: bytes) -> str:
    """``gzip``, ``zstd``, ``bzip2``, ``xz`` or ``none``, from the first bytes."""
    for name, magic in _MAGIC.items():
        if start.startswith(magic):
            return name
    return "none"


def open_decompressed(stream: Readable) -> Readable:
    """A reader of the uncompressed bytes; reads ahead in `stream`, and does not close it."""
    source: io.BufferedReader[Any] = io.BufferedReader(_Source(stream), _BUFFER_BYTES)
    name = detect_compression(source.peek(_PEEK_BYTES)[:_PEEK_BYTES])
    if name == "none":
        return source
    return io.BufferedReader(_Decompressed(_OPENERS[name](source), name), _BUFFER_BYTES)


def read_start(stream: Readable, size: int) -> bytes:
    """The first uncompressed bytes, also of a stream that is damaged or ends behind them."""
    source: io.BufferedReader[Any] = io.BufferedReader(_Source(stream), _BUFFER_BYTES)
    name = detect_compression(source.peek(_PEEK_BYTES)[:_PEEK_BYTES])
    reader = source if name == "none" else _OPENERS[name](source)
    read = getattr(reader, "read1", reader.read)
    start = b""
    try:
        while len(start) < size and (data := read(size - len(start))):
            start += data
    except _FAILURES:
        pass
    return start


def buffered(stream: Readable) -> Readable:
    """A reader that asks `stream` for large pieces, however small those are that it is asked for."""
    return io.BufferedReader(_Source(stream), _BUFFER_BYTES)


def _open_zstd(source: io.BufferedReader[Any]) -> Readable:
    return _ZstdFrames(source)


def _open_gzip(source: io.BufferedReader[Any]) -> Readable:
    return cast("Readable", igzip.IGzipFile(fileobj=source, mode="rb"))  # type: ignore[no-untyped-call]


def _open_bzip2(source: io.BufferedReader[Any]) -> Readable:
    import bz2  # rarely needed

    return cast("Readable", bz2.BZ2File(cast("IO[bytes]", source)))


def _open_xz(source: io.BufferedReader[Any]) -> Readable:
    return cast("Readable", lzma.LZMAFile(cast("IO[bytes]", source)))


_MAGIC = {"gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd", "bzip2": b"BZh", "xz": b"\xfd7zXZ\0"}
_OPENERS: dict[str, Callable[[io.BufferedReader[Any]], Readable]] = {
    "gzip": _open_gzip,
    "zstd": _open_zstd,
    "bzip2": _open_bzip2,
    "xz": _open_xz,
}
_FAILURES: tuple[type[Exception], ...] = (
    OSError,
    EOFError,
    lzma.LZMAError,
    zstandard.ZstdError,
    cast("type[Exception]", isal_zlib.error),
)


class _ZstdFrames:
    """Frames of zstd one after the other. zstandard's own reader takes a truncated one for complete."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._is_between = True
        self._input = b""
        self._output = memoryview(b"")

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes."""
        while not self._output:
            data = self._input or self._source.read(_ZSTD_INPUT_BYTES)
            if not data:
                if not self._is_between:
                    raise EOFError("the last frame is not complete")
                return b""
            self._output = memoryview(self._frame.decompress(data))
            self._is_between, self._input = self._frame.eof, self._frame.unused_data
            if self._is_between:
                self._frame = zstandard.ZstdDecompressor().decompressobj()
        data, self._output = bytes(self._output[:size]), self._output[size:]
        return data


class _Source(io.RawIOBase):
    """Anything with `read`, as the raw stream that io.BufferedReader wants."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class _Decompressed(_Source):
    """A decompressor whose failures are ours."""

    def __init__(self, stream: Readable, name: str) -> None:
        super().__init__(stream)
        self._name = name

    def readinto(self, buffer: Any, /) -> int:
        try:
            return super().readinto(buffer)
        except _FAILURES as error:
            early = "unexpected EOF: " if isinstance(error, EOFError) else ""
            raise InvalidArchive(f"{early}{self._name} stream is truncated or damaged: {error}") from error
