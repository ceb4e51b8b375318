# SPDX-License-Identifier: Apache-2.0
"""How the engine's log looks: one line an event, time first, on standard error."""

from __future__ import annotations

import logging
import time


def set_up(*, debug: bool = False) -> None:
    """Configure the root logger; called once, by the daemon."""
    formatter = logging.Formatter(
        "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S"
    )
    formatter.converter = time.gmtime
    output = logging.StreamHandler()
    output.setFormatter(formatter)
    logging.basicConfig(level=logging.DEBUG if debug else logging.INFO, handlers=[output], force=True)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
