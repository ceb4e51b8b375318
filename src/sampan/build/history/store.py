# SPDX-License-Identifier: Apache-2.0
"""All builds of one data root: those under way in memory, every one in state.db, its events in a file.

Holds: no more than MOST_ENTRIES and MOST_BYTES of files, the oldest go first, pinned ones never; a build that was
under way when its engine was killed is in the history as interrupted; a file without a row is swept.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from sampan.build.history.entry import Asked, Entry, Failure, decode_entry, encode_entry
from sampan.build.history.events import EventWriter, read_events
from sampan.build.history.recording import Recording, describe_failure
from sampan.errors import Conflict, InvalidArgument, NotFound, SampanError
from sampan.metadata.builds import BuildTable
from sampan.metadata.database import Database

if TYPE_CHECKING:
    from sampan.build.history.events import Timed

_log = logging.getLogger(__name__)

MOST_ENTRIES = 100
MOST_BYTES = 128 << 20
_INTERRUPTED = "the engine ended while this was built"
_SHORTEST_PREFIX = 4


class BuildHistory:
    """The history; used in the loop's thread but for `sweep`."""

    def __init__(
        self, database: Database, root: str, *, entries: int = MOST_ENTRIES, size_bytes: int = MOST_BYTES
    ) -> None:
        self._table = BuildTable(database)
        self._root = root
        self._most_entries = entries
        self._most_bytes = size_bytes
        self._live: dict[str, Recording] = {}
        self._tally: tuple[int, int] | None = (
            None  # how many there are and their bytes, once it has been looked at
        )
        self._changed = asyncio.Event()
        os.makedirs(root, mode=0o700, exist_ok=True)

    @contextlib.contextmanager
    def recorded(
        self,
        client: str,
        asked: Callable[[], Asked],
        *,
        ref: str = "",
    ) -> Iterator[Recording]:
        """Write down the build that goes on in the block; what was asked is known when it says its first word."""
        entry = Entry(ref or secrets.token_hex(12), client, time.time_ns())
        recording = Recording(entry, asked, self._begin)
        failure: Failure | None = None
        try:
            yield recording
        except SampanError as error:
            failure = describe_failure(error)
            raise
        except (asyncio.CancelledError, GeneratorExit, ConnectionError):
            failure = Failure("build canceled", is_canceled=True)
            raise
        except BaseException as error:
            failure = Failure(str(error) or type(error).__name__)
            raise
        finally:
            recording.end(failure)
            self._end(recording)

    def entries(self) -> list[Entry]:
        """All builds, the oldest first."""
        entries = {entry.ref: entry for entry in map(decode_entry, self._table.list())}
        entries |= {ref: recording.entry for ref, recording in self._live.items()}
        return sorted(entries.values(), key=lambda entry: (entry.created_ns, entry.ref))

    def find(self, ref: str) -> Entry:
        """A build by its ref, the beginning of one, ``^N`` for the Nth from the last, or "" for the last."""
        if not ref or ref.startswith("^"):
            return self._from_last(ref)
        if known := self.known(ref):
            return known
        found = [entry for entry in self.entries() if entry.ref.startswith(ref)]
        if len(found) != 1 or len(ref) < _SHORTEST_PREFIX:
            raise NotFound(f'no record found for ref "{ref}"')
        return found[0]

    def known(self, ref: str) -> Entry | None:
        """The build of exactly this ref."""
        if ref in self._live:
            return self._live[ref].entry
        document = self._table.get(ref)
        return decode_entry(document) if document is not None else None

    def _from_last(self, ref: str) -> Entry:
        number = ref[1:] or "0"
        if not number.isdecimal():
            raise InvalidArgument(f'invalid offset "{ref}"')
        entries = self.entries()
        if int(number) >= len(entries):
            raise NotFound(f"no completed build found with offset {number}" if ref else "no records found")
        return entries[-1 - int(number)]

    def live(self, ref: str) -> Recording | None:
        """A build under way."""
        return self._live.get(ref)

    def events(self, ref: str) -> Iterator[Timed]:
        """What happened in a build that has ended."""
        return read_events(self._path(ref))

    def remove(self, ref: str) -> None:
        """Forget a build."""
        if ref in self._live:
            raise Conflict(f"build {ref} is under way")
        if self._table.get(ref) is None:
            raise NotFound(f"no such build: {ref}")
        self._forget([ref])
        self._announce()

    def pin(self, ref: str, *, pinned: bool) -> None:
        """Keep a build whatever comes, or no longer."""
        if ref in self._live:
            recording = self._live[ref]
            recording.entry = replace(recording.entry, pinned=pinned)
            return
        entry = replace(self.find(ref), pinned=pinned)
        self._put(entry)

    def changes(self) -> asyncio.Event:
        """Set as soon as a build begins or ends, or is forgotten."""
        return self._changed

    def sweep(self) -> None:
        """At start-up: what an engine left that was killed."""
        for document in self._table.list():
            entry = decode_entry(document)
            if not entry.completed_ns:
                size = os.stat(path).st_size if os.path.exists(path := self._path(entry.ref)) else 0
                failure = Failure(_INTERRUPTED)
                self._put(replace(entry, completed_ns=time.time_ns(), failure=failure, log_bytes=size))
        kept = {os.path.basename(self._path(str(document["ref"]))) for document in self._table.list()}
        for name in os.listdir(self._root):
            if name not in kept:
                os.unlink(f"{self._root}/{name}")

    def _begin(self, recording: Recording) -> EventWriter:
        entry = recording.entry
        path = self._path(entry.ref)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        self._put(entry)
        writer = EventWriter(path)
        self._live[entry.ref] = recording
        self._announce()
        return writer

    def _end(self, recording: Recording) -> None:
        if not recording.has_begun:
            return
        try:
            recording.close()
            self._put(recording.entry)
            self._shrink(recording.entry)
        except (OSError, SampanError) as error:  # a full disk: the build is what matters
            _log.warning("history: build %s cannot be written down: %s", recording.entry.ref, error)
        del self._live[recording.entry.ref]
        self._announce()

    def _shrink(self, added: Entry) -> None:
        """When there is too much the oldest go, a few more than it takes; the last one stays."""
        count, size = self._tally or (self._most_entries, 0)
        self._tally = count + 1, size + added.log_bytes
        if self._tally[0] <= self._most_entries and self._tally[1] <= self._most_bytes:
            return
        entries = [entry for entry in self.entries() if entry.completed_ns and not entry.pinned]
        count, size = len(entries), sum(entry.log_bytes for entry in entries)
        gone: list[str] = []
        if count > self._most_entries or size > self._most_bytes:
            gone, count, size = self._oldest(entries, count, size)
        self._tally = count, size
        self._forget(gone)

    def _oldest(self, entries: list[Entry], count: int, size: int) -> tuple[list[str], int, int]:
        most_entries = self._most_entries - self._most_entries // 10
        most_bytes = self._most_bytes - self._most_bytes // 10
        gone = []
        for entry in entries[:-1]:
            if count <= most_entries and size <= most_bytes:
                break
            gone.append(entry.ref)
            count, size = count - 1, size - entry.log_bytes
        return gone, count, size

    def _forget(self, refs: list[str]) -> None:
        self._table.remove(refs)
        for ref in refs:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path(ref))

    def _put(self, entry: Entry) -> None:
        self._table.put(entry.ref, entry.created_ns, encode_entry(entry))

    def _path(self, ref: str) -> str:
        """Refs are whatever a client says."""
        name = hashlib.sha256(ref.encode("utf-8", "surrogateescape")).hexdigest()[:32]
        return f"{self._root}/{name}.zst"

    def _announce(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
