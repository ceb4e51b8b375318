# SPDX-License-Identifier: Apache-2.0
"""``sampan rename``: give a container another name."""

from __future__ import annotations

from sampan.cli.command import Command, exactly

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options


def run(context: Context, _options: Options, arguments: list[str]) -> int:
    """Rename; nothing is printed."""
    old, new = arguments
    context.engine.containers.rename(old, new)
    return 0


COMMAND = Command(
    "container rename",
    "rename",
    run=run,
    summary="Rename a container",
    usage="CONTAINER NEW_NAME",
    arity=exactly(2),
)
