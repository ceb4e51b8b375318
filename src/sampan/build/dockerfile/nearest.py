# SPDX-License-Identifier: Apache-2.0
"""The nearest right word for a wrong one."""

from __future__ import annotations

from collections.abc import Iterable

_FARTHEST = 3


def suggest(wrong: str, candidates: Iterable[str]) -> str:
    """`` (did you mean X?)`` when one of the candidates is near, else nothing."""
    near = nearest(wrong, candidates)
    return f" (did you mean {near}?)" if near else ""


def nearest(wrong: str, candidates: Iterable[str]) -> str | None:
    """The candidate with the fewest edits, at most three and fewer than half the word, whatever the case."""
    lowered = wrong.lower()
    limit = min(_FARTHEST, max(1, len(wrong) // 2))
    best: tuple[int, str] | None = None
    for candidate in sorted(set(candidates)):
        if abs(len(candidate) - len(wrong)) > limit:
            continue
        edits = _distance(lowered, candidate.lower())
        if edits <= limit and (best is None or edits < best[0]):
            best = (edits, candidate)
    return best[1] if best else None


def _distance(left: str, right: str) -> int:
    """Edits, with a swap of neighbours as one (optimal string alignment)."""
    before: list[int] = []
    previous: list[int] = []
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        before, previous, row = previous, row, [i]
        for j, b in enumerate(right, 1):
            cost = min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
    return row[-1]
