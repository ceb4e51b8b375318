# SPDX-License-Identifier: Apache-2.0
"""``sampan compose logs``: what the project's containers have printed, each line with its container's name."""

from __future__ import annotations

from sampan.cli.command import ANY, Command
from sampan.cli.compose_attached import use_colour
from sampan.cli.compose_flags import DRY_RUN
from sampan.cli.compose_logs import Lines, LogPrinter
from sampan.cli.compose_session import containers_of, project_name
from sampan.cli.flags import number, switch, text
from sampan.cli.times import parse_timestamp
from sampan.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.compose.observed import ObservedContainer


def run(context: Context, options: Options, arguments: list[str]) -> int:
    """All at once when they are followed, one after the other when not."""
    from sampan.compose.running.attached import shown_name

    found = containers_of(context, arguments)
    index = options.number("index")
    if index:
        found = [each for each in found if each.number == index]
        if not found:
            raise NotFound(f"no container with index {index}")
    project = found[0].labels["com.docker.compose.project"] if found else project_name(context)
    prefix = not options.switch("no-log-prefix")
    printer = LogPrinter(colour=use_colour(context, options), prefix=prefix)
    context.out.flush()
    for each in found:
        printer.add(shown_name(project, each.name))
    if options.switch("follow"):
        _follow(context, options, project, found, printer)
    else:
        for each in found:
            _print(context, options, each, shown_name(project, each.name), printer)
    return 0


def _query(options: Options) -> dict[str, Any]:
    return {
        "follow": options.switch("follow"),
        "timestamps": options.switch("timestamps"),
        "tail": options.text("tail"),
        "since": parse_timestamp(options.text("since")) or None,
        "until": parse_timestamp(options.text("until")) or None,
    }


def _print(
    context: Context, options: Options, container: ObservedContainer, name: str, printer: LogPrinter
) -> None:
    from sampan.compose.running.attached import iter_log

    for lines in iter_log(context.engine, container.id, Lines, **_query(options)):
        printer.lines(name, lines)


def _follow(
    context: Context,
    options: Options,
    project: str,
    found: list[ObservedContainer],
    printer: LogPrinter,
) -> None:
    """A reader for each; the command ends when all of them have."""
    from threading import Thread

    from sampan.compose.running.attached import shown_name

    failures: list[BaseException] = []

    def read(container: ObservedContainer) -> None:
        try:
            _print(context, options, container, shown_name(project, container.name), printer)
        except BaseException as error:  # noqa: BLE001 - it is raised in the main thread
            failures.append(error)

    threads = [Thread(target=read, args=(each,), daemon=True) for each in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


COMMAND = Command(
    "compose logs",
    run=run,
    summary="View output from containers",
    usage="[OPTIONS] [SERVICE...]",
    arity=ANY,
    flags=(
        DRY_RUN,
        switch("follow", "Follow log output", short="f"),
        number("index", "index of the container if service has multiple replicas"),
        switch("no-color", "Produce monochrome output"),
        switch("no-log-prefix", "Don't print prefix in logs"),
        text(
            "since",
            "Show logs since timestamp (e.g. 2013-01-02T13:23:37Z) or relative (e.g. 42m for 42 minutes)",
        ),
        text(
            "tail",
            "Number of lines to show from the end of the logs for each container",
            short="n",
            default="all",
        ),
        switch("timestamps", "Show timestamps", short="t"),
        text(
            "until",
            "Show logs before a timestamp (e.g. 2013-01-02T13:23:37Z) or relative (e.g. 42m for 42 minutes)",
        ),
    ),
)
