# SPDX-License-Identifier: Apache-2.0
"""Lists of CPUs and memory nodes as the kernel writes them: `0-3,7` (cpuset(7), "List format") (pure)."""

from __future__ import annotations

MOST = 8192  # the kernel's own bound (NR_CPUS); a larger number would only cost memory


def parse_cpu_list(text: str) -> set[int]:
    """The numbers of a list; ValueError for anything else."""
    numbers: set[int] = set()
    for part in text.split(",") if text else ():
        first, dash, last = part.strip().partition("-")
        low = _number(first)
        high = _number(last) if dash else low
        if high < low:
            raise ValueError(f"not a list of numbers: {text}")
        numbers.update(range(low, high + 1))
    return numbers


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or int(text) >= MOST:
        raise ValueError(f"not a list of numbers: {text}")
    return int(text)
