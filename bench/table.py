# SPDX-License-Identifier: Apache-2.0
"""The figures as a table: medians, and Sampan's share of the fastest peer's beside the goal."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from engines import Engine
from scenarios import Goal, Scenario

NONE = "-"

Figures = dict[str, list[float]]
"""What each engine, by its name, took in each round."""


def format_table(engines: Sequence[Engine], rows: Sequence[tuple[Scenario, Figures]]) -> str:
    """Columns as wide as what stands in them; numbers to the right."""
    head = ["", *(engine.name for engine in engines), "of the fastest", "goal"]
    lines = [head, *(_format_row(scenario, figures, engines) for scenario, figures in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(_align(line, widths) for line in lines)


def _align(line: Sequence[str], widths: Sequence[int]) -> str:
    others = (text.rjust(width) for text, width in zip(line[1:], widths[1:], strict=True))
    return "  ".join((line[0].ljust(widths[0]), *others))


def _format_row(scenario: Scenario, figures: Figures, engines: Sequence[Engine]) -> list[str]:
    medians = {name: median(taken) for name, taken in figures.items() if taken}
    ours = medians.get(engines[0].name)
    fastest = min((taken for name, taken in medians.items() if name != engines[0].name), default=None)
    share = f"{ours / fastest:.2f}" if ours is not None and fastest else NONE
    cells = [_format_figure(medians.get(engine.name), scenario.unit) for engine in engines]
    return [scenario.title, *cells, share, _format_goal(scenario.goal, scenario.unit)]


def _format_figure(value: float | None, unit: str) -> str:
    if value is None:
        return NONE
    if unit == "ms" and value >= 10_000:
        return f"{value / 1000:.1f} s"
    return f"{value:.{0 if value >= 100 else 1 if value >= 10 else 2}f} {unit}"


def _format_goal(goal: Goal, unit: str) -> str:
    return f"≤ {goal.share:.2f}" if goal.share else f"≤ {goal.limit:g} {unit}"
