# SPDX-License-Identifier: Apache-2.0
"""One build for several platforms: a plan and a solver for each, which share steps, contexts and results.

Implements: docker buildx build, ``--platform`` with several values; BuildKit's BUILDKIT_MULTI_PLATFORM.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from sampan.build.solver import SolvedStage, Solver, first_failure
from sampan.oci.platform import Platform, host_platform, parse_platform

_ASKED = "BUILDKIT_MULTI_PLATFORM"


def parse_platforms(text: str) -> tuple[Platform, ...]:
    """The platforms of a request, each once; the host's if it names none."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    found = dict.fromkeys(host_platform() if word == "local" else parse_platform(word) for word in words)
    return tuple(found) or (host_platform(),)


def is_split(platforms: Sequence[Platform], build_args: Mapping[str, str]) -> bool:
    """Whether the result is one for each platform, rather than one."""
    asked = build_args.get(_ASKED, "").lower() in ("1", "t", "true")
    return asked or len(platforms) > 1


async def solve_all(solvers: Sequence[Solver]) -> list[SolvedStage]:
    """Solve all at the same time; the first failure ends the others."""
    if len(solvers) == 1:
        return [await solvers[0].solve()]
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(solver.solve()) for solver in solvers]
    except BaseExceptionGroup as failures:
        raise first_failure(failures) from failures
    return [task.result() for task in tasks]
