# SPDX-License-Identifier: Apache-2.0
"""``sampan start``: start containers again, or one of them with its streams."""

from __future__ import annotations

from sampan.cli.command import Command, Exit, at_least
from sampan.cli.each import for_each
from sampan.cli.flags import switch, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options


def run(context: Context, options: Options, arguments: list[str]) -> int:
    """Print the names, or stay with the one container that is attached to."""
    if not (options.switch("attach") or options.switch("interactive")):
        return for_each(context, arguments, lambda engine, name: engine.containers.start(name))
    if len(arguments) > 1:
        raise Exit(1, "you cannot start and attach multiple containers at once")
    from sampan.cli.attached import attach_and_start

    return attach_and_start(
        context,
        arguments[0],
        interactive=options.switch("interactive"),
        detach_keys=options.text("detach-keys"),
    )


COMMAND = Command(
    "container start",
    "start",
    run=run,
    summary="Start one or more stopped containers",
    usage="[OPTIONS] CONTAINER [CONTAINER...]",
    flags=(
        switch("attach", "Attach STDOUT/STDERR and forward signals", short="a"),
        text("detach-keys", "Override the key sequence for detaching a container"),
        switch("interactive", "Attach container's STDIN", short="i"),
    ),
    arity=at_least(1),
)
