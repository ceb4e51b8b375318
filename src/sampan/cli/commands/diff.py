# SPDX-License-Identifier: Apache-2.0
"""``sampan diff``: paths of a container that differ from its image."""

from __future__ import annotations

from sampan.cli.command import Command, exactly

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options

_KINDS = {0: "C", 1: "A", 2: "D"}


def run(context: Context, _options: Options, arguments: list[str]) -> int:
    """One line a path: A added, C changed, D deleted."""
    for change in context.engine.containers.changes(arguments[0]):
        context.out.line(f"{_KINDS.get(change['Kind'], '')} {change['Path']}")
    return 0


COMMAND = Command(
    "container diff",
    "diff",
    run=run,
    summary="Inspect changes to files or directories on a container's filesystem",
    usage="CONTAINER",
    arity=exactly(1),
)
