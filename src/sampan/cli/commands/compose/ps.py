# SPDX-License-Identifier: Apache-2.0
"""``sampan compose ps``: the project's containers."""

from __future__ import annotations

from sampan.cli.command import ANY, Command
from sampan.cli.commands.ps import listing_of
from sampan.cli.compose_flags import DRY_RUN
from sampan.cli.compose_session import load_or_infer
from sampan.cli.flags import several, switch, text
from sampan.cli.listing import FORMAT_FLAG, Listing
from sampan.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.client.jsontext import Json

_COLUMNS = ("Name", "Image", "Command", "Service", "RunningFor", "Status", "Ports")
_STATES = ("paused", "restarting", "removing", "running", "dead", "created", "exited")


def run(context: Context, options: Options, arguments: list[str]) -> int:
    """A table, ids, service names, or a format."""
    states = _wanted_states(options)
    found = _find(context, options, arguments, states)
    if options.switch("services"):
        for service in sorted({_service(item) for item in found}):
            context.out.line(service)
        return 0
    if options.switch("quiet"):
        for item in found:
            context.out.line(item["Id"])
        return 0
    listing(full=options.switch("no-trunc")).show(
        context.out, found, template=options.text("format"), default=_COLUMNS, quiet=""
    )
    return 0


def _wanted_states(options: Options) -> list[str]:
    states = list(options.several("status"))
    given = options.text("filter")
    if given:
        name, _, value = given.partition("=")
        if name != "status" or not value:
            raise InvalidArgument(f'unknown filter "{name}"')
        states.append(value)
    for state in states:
        if state not in _STATES:
            raise InvalidArgument(f'invalid status "{state}": use one of {", ".join(_STATES)}')
    return states


def _find(context: Context, options: Options, services: list[str], states: list[str]) -> list[Json]:
    from sampan.compose import labels
    from sampan.compose.running.scene import project_filter

    project = load_or_infer(context)
    for name in services:
        if name not in project.all_services:
            raise InvalidArgument(f"no such service: {name}")
    every = options.switch("all") or bool(states)
    items = context.engine.containers.list(every=every, filters=project_filter(project.name))
    found = []
    for item in items:
        held = item["Labels"]
        known = held.get(labels.SERVICE, "") in project.all_services
        if services and _service(item) not in services:
            continue
        if not known and not options.switch("orphans"):
            continue
        if held.get(labels.ONE_OFF) == "True" and not options.switch("all"):
            continue
        if states and item["State"] not in states:
            continue
        found.append(item)
    return sorted(found, key=lambda item: str(item["Names"]))


def _service(item: Json) -> str:
    from sampan.compose import labels

    return str(item["Labels"].get(labels.SERVICE, ""))


def listing(*, full: bool) -> Listing:
    """The columns of `sampan ps` and what compose adds to them."""
    from sampan.compose import labels

    base = listing_of(full=full)
    columns = {
        **base.columns,
        "Name": ("NAME", base.columns["Names"][1]),
        "Service": ("SERVICE", _service),
        "Project": ("PROJECT", lambda item: item["Labels"].get(labels.PROJECT, "")),
        "Health": ("HEALTH", _health),
        "ExitCode": ("EXIT CODE", _exit_code),
    }
    return Listing("*formatter.ContainerContext", columns, base.methods)


def _health(item: Json) -> str:
    status = str(item.get("Status", ""))
    words = status.rpartition("(")[2].rstrip(")")
    return {"healthy": "healthy", "unhealthy": "unhealthy", "health: starting": "starting"}.get(words, "")


def _exit_code(item: Json) -> int:
    code = str(item.get("Status", "")).partition("Exited (")[2].partition(")")[0]
    return int(code) if code.isdecimal() else 0


COMMAND = Command(
    "compose ps",
    run=run,
    summary="List containers",
    usage="[OPTIONS] [SERVICE...]",
    arity=ANY,
    flags=(
        switch("all", "Show all stopped containers (including those created by the run command)", short="a"),
        DRY_RUN,
        text("filter", "Filter services by a property (supported filters: status)"),
        FORMAT_FLAG,
        switch("no-trunc", "Don't truncate output"),
        switch("orphans", "Include orphaned services (not declared by project)", default=True),
        switch("quiet", "Only display IDs", short="q"),
        switch("services", "Display services"),
        several(
            "status",
            "Filter services by status. Values: [paused | restarting | removing | running | dead | created | "
            "exited]",
            shows="stringArray",
        ),
    ),
)
