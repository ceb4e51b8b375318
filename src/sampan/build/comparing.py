# SPDX-License-Identifier: Apache-2.0
"""Run each step of a build a second time, and say in what the two results differ (``--reproducible=check``).

A step is repeated on the tree that it stood on the first time, so a difference is its own: the steps above one that
differs are not blamed for it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from sampan.archive.diff import write_layer, write_tree_diff
from sampan.build.cache import Result
from sampan.build.clamping import clamp_times
from sampan.build.differences import compare_trees
from sampan.build.dockerfile.location import Source
from sampan.build.errors import BuildFailed
from sampan.build.reporter import Vertex
from sampan.build.services import StepServices
from sampan.build.steps import Step

Work = Callable[[str], Awaitable[None]]
"""Writes a step's files into an active snapshot."""

_SECOND_NS = 1_000_000_000
_SHOWN = 5


@dataclass(slots=True)
class Comparison:
    """The steps of one build that have run twice, and what differed."""

    compared: int = 0
    differing: list[tuple[Step, list[str]]] = field(default_factory=list)

    def note(self, step: Step, differences: list[str]) -> None:
        """One step more."""
        self.compared += 1
        if differences:
            self.differing.append((step, differences))

    def failure(self, source: Source) -> BuildFailed:
        """The differences as an error, the first step's first."""
        step = self.differing[0][0]
        told = "; ".join(f"{one.name}: {', '.join(_shorten(found))}" for one, found in self.differing)
        return BuildFailed(
            f"not reproducible: {len(self.differing)} of {self.compared} steps differ when they run again: {told}",
            vertex=step.name,
            source=source,
            location=step.location,
        )


async def make(services: StepServices, active: str, work: Work) -> None:
    """Do the work in an active snapshot, and give its files the build's times."""
    await work(active)
    latest_ns = services.times.latest_ns
    if latest_ns is not None:
        tree = services.snapshots.upper_path(active)
        await services.blocking.run(clamp_times, tree, _below(services, active), latest_ns)


async def repeat(
    services: StepServices,
    step: Step,
    result: Result,
    parent: Result,
    vertex: Vertex,
    work: Work,
    comparison: Comparison,
) -> None:
    """Do the work once more on the same tree, in another second of the clock, and compare."""
    await asyncio.sleep(max(0.0, (result.created_ns // _SECOND_NS + 1) - time.time()))
    vertex.log(2, b"again, to compare\n")
    with services.active(parent) as active:
        await make(services, active, work)
        found = await services.blocking.run(_compare, services, result, active)
    for line in found:
        vertex.log(2, f"differs: {line}\n".encode("utf-8", "backslashreplace"))
    comparison.note(step, found)


def _compare(services: StepServices, result: Result, active: str) -> list[str]:
    """The differences; the digests of the layers decide whether there are any."""
    first, second = services.folder(result), services.snapshots.upper_path(active)
    below = _below(services, active)
    is_layered = services.snapshots.driver.is_layered
    digests = {
        (write_layer(tree, None) if is_layered else write_tree_diff(below, tree, None)).diff_id
        for tree in (first, second)
    }
    if len(digests) == 1:
        return []
    return list(compare_trees(first, second)) or ["hard links among its files"]


def _below(services: StepServices, active: str) -> str | None:
    """The whole tree that an active snapshot began as; None where snapshots are stacked."""
    parent = None if services.snapshots.driver.is_layered else services.snapshots.stat(active).parent
    return services.snapshots.fs_path(parent) if parent else None


def _shorten(found: list[str]) -> list[str]:
    more = len(found) - _SHOWN
    return [*found[:_SHOWN], f"and {more} paths more"] if more > 0 else found
