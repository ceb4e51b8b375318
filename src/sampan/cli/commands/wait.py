# SPDX-License-Identifier: Apache-2.0
"""``sampan wait``: wait for containers to end, and print how they did."""

from __future__ import annotations

from sampan.cli.command import Command, at_least
from sampan.cli.each import for_each_at_once
from sampan.errors import Internal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.client.api import Engine


def run(context: Context, _options: Options, arguments: list[str]) -> int:
    """Wait for all of them; the exit codes are printed in the order of the names."""
    return for_each_at_once(context, arguments, _wait)


def _wait(engine: Engine, name: str) -> str:
    result = engine.containers.wait(name).json()
    problem = (result.get("Error") or {}).get("Message")
    if problem:
        raise Internal(problem)
    return str(result["StatusCode"])


COMMAND = Command(
    "container wait",
    "wait",
    run=run,
    summary="Block until one or more containers stop, then print their exit codes",
    usage="CONTAINER [CONTAINER...]",
    arity=at_least(1),
)
