# SPDX-License-Identifier: Apache-2.0
"""Who is at work on which layer: two pulls that share layers unpack each once, and nobody removes what they stand on.

Holds: chains are claimed from below upwards, so two that share layers meet at the lowest one and cannot deadlock.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

_LOOK_S = 0.2


class Claims:
    """Pins and claims by chain ID, of threads of one engine."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        """Held while a layer is removed, so that a pin comes before that or after it."""
        self._changed = threading.Condition(self.lock)
        self._pins: Counter[str] = Counter()
        self._claimed: set[str] = set()

    @contextmanager
    def pinned(self, chains: Iterable[str]) -> Iterator[None]:
        """Keep these layers, if they are here, during the block."""
        kept = list(chains)
        with self.lock:
            self._pins.update(kept)
        try:
            yield
        finally:
            with self.lock:
                self._pins.subtract(kept)
                self._pins = +self._pins

    def is_pinned(self, chain: str) -> bool:
        """Whether somebody stands on it."""
        return chain in self._pins

    def claim(self, chain: str, check: Callable[[], None]) -> None:
        """Wait until nobody else unpacks it; `check` may end the waiting by raising."""
        with self._changed:
            while chain in self._claimed:
                self._changed.wait(_LOOK_S)
                check()
            self._claimed.add(chain)

    def release(self, chains: Iterable[str]) -> None:
        """Others may try."""
        with self._changed:
            self._claimed.difference_update(chains)
            self._changed.notify_all()
