# SPDX-License-Identifier: Apache-2.0
"""Changes below folders and of single files, in batches, as the kernel tells of them.

A path need not be there: when it comes, or another folder takes its place, that is a change, and it is watched from
then on. Holds: once `FileEvents.begin` has returned, no change is missed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from queue import SimpleQueue
from threading import Event, Thread

from sampan.errors import Unavailable

_QUIET_MS = 100
_LONGEST_MS = 1000
_PULSE_MS = 250

Places = dict[str, tuple[int, int]]
"""Folders that are there, each with its device and number."""


class FileEvents:
    """What has changed among some paths, until nobody wants to know it any more."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = sorted(set(paths))
        self._batches: SimpleQueue[set[str] | BaseException] = SimpleQueue()
        self._stop = Event()

    def begin(self) -> None:
        """Watch: folders with all that is in them, and of other paths the folder that they are in."""
        begun = []
        for find in (self._find_folders, self._find_parents):
            begun.append(Event())
            arguments = (find, find == self._find_folders, begun[-1])
            Thread(target=self._follow, args=arguments, name="files", daemon=True).start()
        for each in begun:
            each.wait()

    def next(self) -> set[str]:
        """All that has changed since the last call; waits for the first of it."""
        found = self._take(self._batches.get())
        while not self._batches.empty():
            found |= self._take(self._batches.get())
        return found

    def close(self) -> None:
        """Watch no more."""
        self._stop.set()

    @staticmethod
    def _take(batch: set[str] | BaseException) -> set[str]:
        if isinstance(batch, BaseException):
            raise batch
        return batch

    def _find_folders(self) -> Places:
        return find_places(self._paths)

    def _find_parents(self) -> Places:
        """A file is replaced by those who edit it, so it is its folder that is watched."""
        return find_places({os.path.dirname(path) for path in self._paths if not os.path.isdir(path)})

    def _follow(self, find: Callable[[], Places], deep: bool, begun: Event) -> None:
        known: Places | None = None
        try:
            while not self._stop.is_set():
                places = find()
                fresh = {} if known is None else dict(places.items() - known.items())
                known = places
                if places:
                    self._read(places, find, deep=deep, fresh=set(fresh), begun=begun)
                else:
                    begun.set()
                    self._stop.wait(_PULSE_MS / 1000)
        except Exception as error:  # noqa: BLE001 - it is raised where the batches are read
            self._batches.put(_explain(error))
        finally:
            begun.set()

    def _read(
        self, places: Places, find: Callable[[], Places], *, deep: bool, fresh: set[str], begun: Event
    ) -> None:
        """Until the places are others."""
        from watchfiles import watch

        batches = watch(
            *sorted(places),
            watch_filter=None,
            debounce=_LONGEST_MS,
            step=_QUIET_MS,
            stop_event=self._stop,
            rust_timeout=_PULSE_MS,
            yield_on_timeout=True,
            recursive=deep,
            ignore_permission_denied=True,
        )
        try:
            for batch in batches:  # its first words come even if nothing has changed: it watches
                begun.set()
                changed = {path for _, path in batch} | (fresh if deep else self._below(fresh))
                fresh = set()
                if changed:
                    self._batches.put(changed)
                if find() != places:
                    return
        except FileNotFoundError:
            return  # it has gone since it was found

    def _below(self, folders: set[str]) -> set[str]:
        return {path for path in self._paths if os.path.dirname(path) in folders}


def find_places(paths: Iterable[str]) -> Places:
    """Those of the paths that are folders."""
    found: Places = {}
    for path in paths:
        try:
            status = os.stat(path)
        except OSError:
            continue
        if os.path.isdir(path):
            found[path] = (status.st_dev, status.st_ino)
    return found


def _explain(error: Exception) -> Exception:
    if not isinstance(error, (OSError, RuntimeError)):
        return error
    return Unavailable(
        f"files cannot be watched: {str(error).lower()}",
        hint="the kernel's limits are fs.inotify.max_user_watches and fs.inotify.max_user_instances",
    )
