# SPDX-License-Identifier: Apache-2.0
"""A stream read in a thread of its own, some way ahead: decompressing and hashing go on while files are written.

Holds: memory stays bounded (`DEPTH` pieces); what the stream raises is raised where it is read; after the `with`
block nobody uses the stream any more.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Self

from sampan.archive.reader import Readable

PIECE_BYTES = 1 << 20
DEPTH = 6


class ReadAhead:
    """``with ReadAhead(stream) as ahead: ahead.read(…)``; pieces are as the stream gives them, or smaller."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._changed = threading.Condition()
        self._pieces: deque[bytes] = deque()
        self._is_closed = False
        self._is_ended = False
        self._error: BaseException | None = None
        self._piece = memoryview(b"")
        self._thread = threading.Thread(target=self._run, name="read-ahead", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self._thread.join()

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none at the end."""
        if not self._piece:
            self._piece = memoryview(self._next())
        data, self._piece = bytes(self._piece[:size]), self._piece[size:]
        return data

    def _next(self) -> bytes:
        with self._changed:
            while not self._pieces and not self._is_ended:
                self._changed.wait()
            if self._pieces:
                self._changed.notify_all()
                return self._pieces.popleft()
            if self._error is not None:
                raise self._error
            return b""

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            while (piece := self._stream.read(PIECE_BYTES)) and self._put(piece):
                pass
        except BaseException as failure:  # noqa: BLE001 - raised by `read`, in the thread that wants the bytes
            error = failure
        with self._changed:
            self._is_ended, self._error = True, error
            self._changed.notify_all()

    def _put(self, piece: bytes) -> bool:
        """Whether anybody still wants more."""
        with self._changed:
            while len(self._pieces) >= DEPTH and not self._is_closed:
                self._changed.wait()
            self._pieces.append(piece)
            self._changed.notify_all()
            return not self._is_closed
