# SPDX-License-Identifier: Apache-2.0
"""Signals by name or number (pure): `TERM`, `SIGTERM`, `15`, `SIGRTMIN+3`."""

from __future__ import annotations

import signal

from sampan.errors import InvalidArgument

HIGHEST = 64


def parse_signal(text: str) -> int:
    """The number of a signal; refuses what is none in Docker's words."""
    number = int(text) if text.isdigit() else _by_name(text.upper().removeprefix("SIG"))
    if not 1 <= number <= HIGHEST:
        raise InvalidArgument(f"invalid signal: {text}")
    return number


def _by_name(name: str) -> int:
    base, sign, offset = name, "", ""
    for candidate in ("+", "-"):
        if candidate in name:
            base, sign, offset = name.partition(candidate)
    try:
        number = int(signal.Signals["SIG" + base])
    except KeyError:
        return 0
    if not sign:
        return number
    if not offset.isdigit() or base not in ("RTMIN", "RTMAX"):
        return 0
    return number + int(sign + offset)
