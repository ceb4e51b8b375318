# SPDX-License-Identifier: Apache-2.0
"""``sampan stop``: ask containers to end, and kill those that do not in time."""

from __future__ import annotations

from sampan.cli.command import Command, at_least
from sampan.cli.each import for_each_at_once
from sampan.cli.flags import Flag, number, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.client.api import Engine

STOP_FLAGS: tuple[Flag, ...] = (
    text("signal", "Signal to send to the container", short="s"),
    number("timeout", "Seconds to wait before killing the container", short="t", also=("time",)),
)


def timeout_of(options: Options) -> int | None:
    """Seconds to wait; None leaves it to the container's own setting."""
    return options.number("timeout") if options.given("timeout") else None


def run(context: Context, options: Options, arguments: list[str]) -> int:
    """Stop all of them at once: each may take its ten seconds."""

    def stop(engine: Engine, name: str) -> None:
        engine.containers.stop(name, signal=options.text("signal"), timeout_s=timeout_of(options))

    return for_each_at_once(context, arguments, stop)


COMMAND = Command(
    "container stop",
    "stop",
    run=run,
    summary="Stop one or more running containers",
    usage="[OPTIONS] CONTAINER [CONTAINER...]",
    arity=at_least(1),
    flags=STOP_FLAGS,
)
