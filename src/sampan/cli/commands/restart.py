# SPDX-License-Identifier: Apache-2.0
"""``sampan restart``: stop containers and start them again."""

from __future__ import annotations

from sampan.cli.command import Command, at_least
from sampan.cli.commands.stop import STOP_FLAGS, timeout_of
from sampan.cli.each import for_each_at_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.client.api import Engine


def run(context: Context, options: Options, arguments: list[str]) -> int:
    """Restart all of them at once."""

    def restart(engine: Engine, name: str) -> None:
        engine.containers.restart(name, signal=options.text("signal"), timeout_s=timeout_of(options))

    return for_each_at_once(context, arguments, restart)


COMMAND = Command(
    "container restart",
    "restart",
    run=run,
    summary="Restart one or more containers",
    usage="[OPTIONS] CONTAINER [CONTAINER...]",
    arity=at_least(1),
    flags=STOP_FLAGS,
)
