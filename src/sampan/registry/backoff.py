# SPDX-License-Identifier: Apache-2.0
"""When to try again. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable
from email.utils import parsedate_to_datetime

from sampan.registry.settings import Patience

RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that may be others the next time."""


def delay_s(
    patience: Patience,
    attempt: int,
    retry_after: str = "",
    *,
    now_s: float,
    jitter: Callable[[], float] = random.random,
) -> float:
    """How long to wait after attempt number `attempt` (0 is the first): what the server says, else twice as long."""
    asked = parse_retry_after(retry_after, now_s)
    if asked is not None:
        return min(asked, patience.longest_delay_s)
    grown = patience.first_delay_s * 2.0**attempt
    return min(grown * (0.5 + jitter()), patience.longest_delay_s)


def parse_retry_after(text: str, now_s: float) -> float | None:
    """Seconds, or a date: RFC 9110, section 10.2.3."""
    text = text.strip()
    if text.isdecimal():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now_s) if text else None
    except (ValueError, TypeError, OverflowError):
        return None
