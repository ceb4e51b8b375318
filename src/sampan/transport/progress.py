# SPDX-License-Identifier: Apache-2.0
"""How a copy goes on, in the shape of the Engine API's progress: one place draws a pull, a push and a copy."""

from __future__ import annotations

import time

from sampan.oci.descriptor import Descriptor
from sampan.transport.model import Report

_INTERVAL_S = 0.1


class BlobMeter:
    """Tells of one blob, not more often than anybody can read."""

    def __init__(self, report: Report, blob: Descriptor) -> None:
        self._report = report
        self._id = blob.digest.short
        self._total = blob.size
        self._next_s = 0.0

    def step(self, status: str) -> None:
        """A new state."""
        self._report({"status": status, "id": self._id, "progressDetail": {}})

    def moved(self, current: int) -> None:
        """So many bytes are there."""
        now_s = time.monotonic()
        if now_s >= self._next_s or current == self._total:
            self._next_s = now_s + _INTERVAL_S
            detail = {"current": current, "total": self._total}
            self._report({"status": "Copying", "id": self._id, "progressDetail": detail})
