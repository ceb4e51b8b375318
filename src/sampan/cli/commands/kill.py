# SPDX-License-Identifier: Apache-2.0
"""``sampan kill``: send a signal to containers."""

from __future__ import annotations

from sampan.cli.command import Command, at_least
from sampan.cli.each import for_each
from sampan.cli.flags import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options


def run(context: Context, options: Options, arguments: list[str]) -> int:
    """Signal one after the other."""
    signal = options.text("signal")
    return for_each(context, arguments, lambda engine, name: engine.containers.kill(name, signal=signal))


COMMAND = Command(
    "container kill",
    "kill",
    run=run,
    summary="Kill one or more running containers",
    usage="[OPTIONS] CONTAINER [CONTAINER...]",
    arity=at_least(1),
    flags=(text("signal", "Signal to send to the container", short="s"),),
)
