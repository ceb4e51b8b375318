# SPDX-License-Identifier: Apache-2.0
"""Times on the wire: RFC 3339 in UTC with up to nine decimals, as Go prints them (pure)."""

from __future__ import annotations

import time

NEVER = "0001-01-01T00:00:00Z"


def format_time(ns: int) -> str:
    """Nanoseconds since 1970 → `2026-11-23T05:17:52.123456789Z`; 0 is a time that did not happen."""
    if ns == 0:
        return NEVER
    seconds, fraction = divmod(ns, 1_000_000_000)
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    decimals = f"{fraction:09d}".rstrip("0")
    return f"{text}.{decimals}Z" if decimals else f"{text}Z"


def format_fixed_time(ns: int) -> str:
    """The same with all nine decimals, as `logs -t` prints it: columns stay aligned."""
    seconds, fraction = divmod(ns, 1_000_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{fraction:09d}Z"
