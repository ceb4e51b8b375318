# SPDX-License-Identifier: Apache-2.0
"""A blob on its way: written by those who download it, and read meanwhile by those who unpack it.

Holds: readers see the end only of a blob that is whole, has the digest of its descriptor, and is in the content
store. Up to then what they make of the bytes has no name.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable

from sampan.content.store import ContentStore
from sampan.oci.descriptor import Descriptor

_LOOK_S = 0.5


class Arrival:
    """One blob. `feed`, `finish` and `fail` are for its writer, `open` for any number of readers."""

    def __init__(self, content: ContentStore, blob: Descriptor) -> None:
        self.blob = blob
        self._writer = content.writer(blob.digest, blob.size)
        self._fd = self._writer.open_written()
        self._changed = threading.Condition()
        self._available = 0
        self._is_whole = False
        self._error: BaseException | None = None

    def feed(self, data: bytes) -> None:
        """Append."""
        self._writer.write(data)
        with self._changed:
            self._available += len(data)
            self._changed.notify_all()

    def finish(self) -> None:
        """Check it and name it in the content store; a sync of the filesystem is still to come."""
        self._writer.commit(durable=False)
        with self._changed:
            self._is_whole = True
            self._changed.notify_all()

    def fail(self, error: BaseException) -> None:
        """It will never be whole."""
        with self._changed:
            self._error = error
            self._changed.notify_all()

    def close(self) -> None:
        """Nobody needs it any more; what is not whole is gone."""
        self._writer.close()
        os.close(self._fd)

    def open(self, check: Callable[[], None], moved: Callable[[int], None]) -> io.RawIOBase:
        """A file of the bytes, that waits for them; `check` may end the waiting, `moved` is told the position."""
        return _Reader(self, check, moved)

    def require_whole(self, check: Callable[[], None]) -> None:
        """Wait until it is whole, whatever a reader had of it: a decompressor may not look at the last bytes."""
        with self._changed:
            while not self._is_whole:
                check()
                if self._error is not None:
                    raise self._error
                self._changed.wait(_LOOK_S)

    def read_at(self, position: int, size: int, check: Callable[[], None]) -> bytes:
        """Some bytes from there, as soon as there are any; none at the end of a whole blob."""
        with self._changed:
            while position >= self._available and not self._is_whole:
                check()
                if self._error is not None:
                    raise self._error
                self._changed.wait(_LOOK_S)
            count = min(size, self._available - position)
        return os.pread(self._fd, count, position) if count else b""


class _Reader(io.RawIOBase):
    def __init__(self, arrival: Arrival, check: Callable[[], None], moved: Callable[[int], None]) -> None:
        self._arrival = arrival
        self._check = check
        self._moved = moved
        self._position = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self._check()  # also where everything is here: unpacking takes longer than the way
        data = self._arrival.read_at(self._position, len(buffer), self._check)
        buffer[: len(data)] = data
        self._position += len(data)
        self._moved(self._position)
        return len(data)
