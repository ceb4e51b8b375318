# SPDX-License-Identifier: Apache-2.0
"""``sampan top``: the processes of a container."""

from __future__ import annotations

from sampan.cli.command import Command, at_least
from sampan.cli.table import format_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options

_LEAST_WIDTH = 20


def run(context: Context, _options: Options, arguments: list[str]) -> int:
    """Print ps(1)'s columns; what follows the container are options of ps."""
    name, *ps_options = arguments
    table = context.engine.containers.top(name, ps_args=" ".join(ps_options))
    rows = [table.get("Titles") or [], *(table.get("Processes") or [])]
    for line in format_table(rows, least_width=_LEAST_WIDTH):
        context.out.line(line)
    return 0


COMMAND = Command(
    "container top",
    "top",
    run=run,
    summary="Display the running processes of a container",
    usage="CONTAINER [ps OPTIONS]",
    arity=at_least(1),
    interspersed=False,
)
