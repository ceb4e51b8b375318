# SPDX-License-Identifier: Apache-2.0
"""What a pull or a push tells of itself while it goes on: lines in Docker's words.

Implements: the messages of moby's distribution/ (progress ids are the first twelve digits of a digest).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

INTERVAL_S = 0.1


@dataclass(frozen=True, slots=True)
class Line:
    """One message. `id` is a layer's, or a tag; `current` and `total` are bytes; `is_step`: of a layer."""

    status: str
    id: str = ""
    current: int = 0
    total: int = 0
    is_step: bool = False
    aux: Mapping[str, object] | None = None


Progress = Callable[[Line], None]


def ignore(_: Line) -> None:
    """For those who do not want to know."""


class Meter:
    """Tells of one layer's transfer, not more often than anybody can read."""

    def __init__(self, progress: Progress, layer: str, total: int) -> None:
        self._progress = progress
        self._layer = layer
        self._total = total
        self._next_s = 0.0

    def step(self, status: str) -> None:
        """A new state of the layer."""
        self._progress(Line(status, self._layer, is_step=True))

    def moved(self, status: str, current: int) -> None:
        """So many bytes of it are done."""
        now_s = time.monotonic()
        if now_s >= self._next_s or current == self._total:
            self._next_s = now_s + INTERVAL_S
            self._progress(Line(status, self._layer, current, self._total, is_step=True))
