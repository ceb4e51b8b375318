# SPDX-License-Identifier: Apache-2.0
"""``sampan logs``: what a container has printed."""

from __future__ import annotations

from sampan.cli.command import Command, exactly
from sampan.cli.flags import switch, text
from sampan.cli.output import STDERR, write_all
from sampan.cli.times import parse_timestamp
from sampan.client.frames import STDERR as STDERR_STREAM
from sampan.client.frames import iter_frames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.client.query import Parameter


def run(context: Context, options: Options, arguments: list[str]) -> int:
    """Print the log, each stream to its own."""
    containers = context.engine.containers
    container = containers.inspect(arguments[0])
    answer = containers.logs(container["Id"], _query(options))
    out = context.out
    if container["Config"].get("Tty"):
        for data in answer:
            out.data(data)
            out.flush()
        return 0
    for stream, data in iter_frames(answer):
        if stream == STDERR_STREAM:
            out.flush()
            write_all(STDERR, data)
        else:
            out.data(data)
            out.flush()
    return 0


def _query(options: Options) -> dict[str, Parameter]:
    return {
        "stdout": True,
        "stderr": True,
        "details": options.switch("details"),
        "follow": options.switch("follow"),
        "timestamps": options.switch("timestamps"),
        "tail": options.text("tail"),
        "since": parse_timestamp(options.text("since")) or None,
        "until": parse_timestamp(options.text("until")) or None,
    }


COMMAND = Command(
    "container logs",
    "logs",
    run=run,
    summary="Fetch the logs of a container",
    usage="[OPTIONS] CONTAINER",
    arity=exactly(1),
    flags=(
        switch("details", "Show extra details provided to logs"),
        switch("follow", "Follow log output", short="f"),
        text(
            "since",
            'Show logs since timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)',
        ),
        text("tail", "Number of lines to show from the end of the logs", short="n", default="all"),
        switch("timestamps", "Show timestamps", short="t"),
        text(
            "until",
            'Show logs before a timestamp (e.g. "2013-01-02T13:23:37Z") '
            'or relative (e.g. "42m" for 42 minutes)',
        ),
    ),
)
