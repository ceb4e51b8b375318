# SPDX-License-Identifier: Apache-2.0
"""Columns as docker pads them: Go's tabwriter with a least width of 10 and three spaces between."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_LEAST_WIDTH = 10
_PADDING = 3


def format_table(
    rows: Sequence[Sequence[str]], *, least_width: int = _LEAST_WIDTH, padding: int = _PADDING
) -> list[str]:
    """Rows of cells as lines; the last cell of a row is never padded.

    A column is a block of neighbouring rows that have it: as in tabwriter, a row with fewer cells ends it.
    """
    widths = [[0] * max(len(row) - 1, 0) for row in rows]
    for column in range(max(map(len, widths), default=0)):
        _fit_column(rows, widths, column, least_width, padding)
    return ["".join(map(str.ljust, row, fitted)) + row[-1] for row, fitted in _pairs(rows, widths)]


def _fit_column(
    rows: Sequence[Sequence[str]], widths: list[list[int]], column: int, least_width: int, padding: int
) -> None:
    start = 0
    while start < len(rows):
        end = start
        while end < len(rows) and column < len(widths[end]):
            end += 1
        width = max((len(row[column]) + padding for row in rows[start:end]), default=0)
        for index in range(start, end):
            widths[index][column] = max(width, least_width)
        start = end + 1


def _pairs(rows: Sequence[Sequence[str]], widths: list[list[int]]) -> list[tuple[Sequence[str], list[int]]]:
    return [(row or ("",), fitted) for row, fitted in zip(rows, widths, strict=True)]
