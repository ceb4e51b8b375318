# SPDX-License-Identifier: Apache-2.0
"""``sampan pause``: freeze containers."""

from __future__ import annotations

from sampan.cli.command import Command, at_least
from sampan.cli.each import for_each

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options


def run(context: Context, _options: Options, arguments: list[str]) -> int:
    """One after the other."""
    return for_each(context, arguments, lambda engine, name: engine.containers.pause(name))


COMMAND = Command(
    "container pause",
    "pause",
    run=run,
    summary="Pause all processes within one or more containers",
    usage="CONTAINER [CONTAINER...]",
    arity=at_least(1),
)
