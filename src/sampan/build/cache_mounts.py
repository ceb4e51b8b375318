# SPDX-License-Identifier: Apache-2.0
"""Cache mounts as things on the disk: a folder each, by the digest of its id, that no build's end removes.

Holds: a folder that a step has mounted is not removed. When a folder was used last is its own time of change.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

from sampan.linux.tree import remove_tree
from sampan.oci.timestamp import format_timestamp
from sampan.snapshot.tree import measure_tree

TYPE = "exec.cachemount"


class CacheMounts:
    """The folders of one engine; any thread may ask."""

    def __init__(self, root: str, temporary: str) -> None:
        self.root = root
        self._temporary = temporary
        self._used: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def using(self, path: str) -> Iterator[None]:
        """A step has it mounted as long as the block runs."""
        name = os.path.basename(path)
        with self._lock:
            self._used[name] += 1
        try:
            yield
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.utime(path)
            with self._lock:
                self._used[name] -= 1

    def names(self) -> list[str]:
        """All of them that are whole."""
        return sorted(name for name in os.listdir(self.root) if len(name.partition(".")[2]) < 8)

    def last_used_ns(self, name: str) -> int:
        """When a step had it mounted last."""
        try:
            return os.stat(f"{self.root}/{name}").st_mtime_ns
        except FileNotFoundError:
            return 0

    def describe(self) -> list[dict[str, Any]]:
        """The Engine API's BuildCache records."""
        return [self._describe(name) for name in self.names()]

    def remove(self, name: str) -> int | None:
        """Remove one: the bytes that this freed; None if a step has it."""
        away = f"{self._temporary}/mount-{secrets.token_hex(4)}"
        with self._lock:
            if self._used[name] > 0:
                return None
            try:
                os.rename(f"{self.root}/{name}", away)
            except FileNotFoundError:
                return None
        size = measure_tree(away)[0]
        remove_tree(away)
        return size

    def _describe(self, name: str) -> dict[str, Any]:
        used = format_timestamp(self.last_used_ns(name))
        return {
            "ID": name,
            "Type": TYPE,
            "Description": "cached mount",
            "InUse": self._used[name] > 0,
            "Shared": False,
            "Size": measure_tree(f"{self.root}/{name}")[0],
            "CreatedAt": used,
            "LastUsedAt": used,
            "UsageCount": 1,
        }
