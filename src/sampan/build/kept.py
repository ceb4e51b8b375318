# SPDX-License-Identifier: Apache-2.0
"""Contexts that clients have sent, kept so that the next build of the same folder is sent only what changed.

Holds: a folder belongs to one build at a time; a second build of the same folder gets one of its own. Folders that
were not used for the longest time go when there are too many.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from collections.abc import Iterator

from sampan.linux.tree import remove_tree
from sampan.snapshot.tree import measure_tree

_MOST = 32


class KeptContexts:
    """The folders of one engine; any thread may ask."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._lent: set[str] = set()
        self._lock = threading.Lock()
        os.makedirs(root, mode=0o700, exist_ok=True)

    @contextlib.contextmanager
    def lend(self, key: str) -> Iterator[str]:
        """A folder for this key, as the last build left it, or empty; nobody else has it in the block."""
        path = self._take(hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:32])
        try:
            os.makedirs(path, mode=0o700, exist_ok=True)
            yield path
            os.utime(path)
        finally:
            with self._lock:
                self._lent.discard(path)
            self._remove(self._unused()[:-_MOST])

    def prune(self) -> int:
        """Remove all that no build has now; the bytes that this freed."""
        return self._remove(self._unused())

    def size_bytes(self) -> int:
        """What all of them take."""
        return sum(measure_tree(path)[0] for path in self._all())

    def _take(self, name: str) -> str:
        number = 0
        with self._lock:
            while (path := f"{self.root}/{name}.{number}") in self._lent:
                number += 1
            self._lent.add(path)
        return path

    def _all(self) -> list[str]:
        return [f"{self.root}/{name}" for name in os.listdir(self.root)]

    def _unused(self) -> list[str]:
        """Those that are not lent, the longest unused first."""
        with self._lock:
            return sorted((path for path in self._all() if path not in self._lent), key=_changed_ns)

    def _remove(self, paths: list[str]) -> int:
        freed = 0
        for path in paths:
            with self._lock:
                if path in self._lent:
                    continue
                self._lent.add(path)
            try:
                freed += measure_tree(path)[0]
                remove_tree(path)
            finally:
                with self._lock:
                    self._lent.discard(path)
        return freed


def _changed_ns(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except FileNotFoundError:
        return 0
