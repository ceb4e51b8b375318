# SPDX-License-Identifier: Apache-2.0
"""Names of signals, as STOPSIGNAL takes them."""

from __future__ import annotations

import re
import signal

from sampan.build.dockerfile.location import Misuse

_REAL_TIME = re.compile(r"RTM(?:IN(?:\+(\d+))?|AX(?:-(\d+))?)")
_REAL_TIME_COUNT = 31


def check_signal(text: str) -> None:
    """A number from 1 to 64, or a name with or without SIG; Misuse for anything else."""
    if text.isascii() and text.isdigit():
        known = 1 <= int(text) <= signal.NSIG - 1
    else:
        name = text.upper().removeprefix("SIG")
        match = _REAL_TIME.fullmatch(name)
        known = f"SIG{name}" in signal.Signals.__members__
        if match is not None:
            known = int(match[1] or match[2] or 0) < _REAL_TIME_COUNT
    if not known:
        raise Misuse(f"invalid signal: {text}")
