# SPDX-License-Identifier: Apache-2.0
"""How a copy goes on: bars on a terminal, a line a step elsewhere, nothing when quiet."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sampan.cli.output import STDERR
from sampan.cli.transfer_bars import TransferBars

if TYPE_CHECKING:
    from sampan.cli.output import Output

Report = Callable[[Mapping[str, Any]], None]


@contextmanager
def reporting(out: Output, *, quiet: bool) -> Iterator[Report]:
    """Told messages of the Engine API's shape; all of it goes to stderr, the result alone to stdout."""
    if quiet:
        yield lambda _: None
    elif os.isatty(STDERR):
        bars = TransferBars(STDERR)
        try:
            yield lambda message: bars.message(dict(message))
        finally:
            bars.close()
    else:
        yield lambda message: _say(out, message)


def _say(out: Output, message: Mapping[str, Any]) -> None:
    """Transfers, which a terminal would show as bars, are left out."""
    if not message.get("progressDetail"):
        prefix = f"{message['id']}: " if message.get("id") else ""
        out.note(prefix + str(message["status"]))
