# SPDX-License-Identifier: Apache-2.0
"""``sampan rm``: remove containers."""

from __future__ import annotations

from sampan.cli.command import Command, at_least
from sampan.cli.each import for_each
from sampan.cli.flags import switch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.client.api import Engine


def run(context: Context, options: Options, arguments: list[str]) -> int:
    """Remove one after the other; with --force, one that is not there is said but no failure."""
    force = options.switch("force")

    def remove(engine: Engine, name: str) -> None:
        engine.containers.remove(
            name.strip("/"), force=force, volumes=options.switch("volumes"), link=options.switch("link")
        )

    return for_each(context, arguments, remove, missing_is_fine=force)


COMMAND = Command(
    "container rm",
    "container remove",
    "rm",
    run=run,
    summary="Remove one or more containers",
    usage="[OPTIONS] CONTAINER [CONTAINER...]",
    arity=at_least(1),
    flags=(
        switch("force", "Force the removal of a running container (uses SIGKILL)", short="f"),
        switch("link", "Remove the specified link", short="l"),
        switch("volumes", "Remove anonymous volumes associated with the container", short="v"),
    ),
)
