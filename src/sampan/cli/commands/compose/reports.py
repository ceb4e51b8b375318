# SPDX-License-Identifier: Apache-2.0
"""``sampan compose top|images|volumes|stats|events|ls|version``: what there is, and what happens."""

from __future__ import annotations

from sampan.cli.command import ANY, NONE, Command, at_most
from sampan.cli.compose_flags import DRY_RUN
from sampan.cli.compose_session import containers_of, load_or_infer, project_name
from sampan.cli.filters import filter_flag, parse_filters
from sampan.cli.flags import switch, text
from sampan.cli.listing import FORMAT_FLAG
from sampan.cli.table import format_table
from sampan.cli.times import parse_timestamp
from sampan.cli.units import format_ago, format_size
from sampan.cli.wording import short_id
from sampan.errors import InvalidArgument, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.client.jsontext import Json

_RUNNING = ("running", "paused", "restarting")


def top(context: Context, _options: Options, arguments: list[str]) -> int:
    """The processes of all running containers, in one table."""
    found = [each for each in containers_of(context, arguments) if each.state in _RUNNING]
    rows: list[list[str]] = []
    for each in found:
        try:
            table = context.engine.containers.top(each.id)
        except NotFound:
            continue
        titles = table.get("Titles") or []
        if not rows:
            rows.append(["SERVICE", "#", *titles])
        rows += [[each.service, str(each.number), *cells] for cells in table.get("Processes") or []]
    for line in format_table(rows, least_width=4, padding=2):
        context.out.line(line)
    return 0


def images(context: Context, options: Options, arguments: list[str]) -> int:
    """The images that the project's containers were made of."""
    rows = []
    for each in containers_of(context, arguments):
        try:
            image = context.engine.images.inspect(each.image_id or each.image)
        except NotFound:
            image = {"Id": each.image_id, "RepoTags": [], "Size": 0, "Created": ""}
        rows.append((each.name, image))
    if options.switch("quiet"):
        for identifier in dict.fromkeys(image["Id"].removeprefix("sha256:") for _, image in rows):
            context.out.line(identifier)
        return 0
    kind = options.text("format")
    if kind == "json":
        _print_json(context, [_image_json(name, image) for name, image in rows])
        return 0
    if kind != "table":
        raise InvalidArgument(f'unsupported format "{kind}"')
    heads = ["CONTAINER", "REPOSITORY", "TAG", "PLATFORM", "IMAGE ID", "SIZE", "CREATED"]
    for line in format_table([heads, *(_image_row(name, image) for name, image in rows)]):
        context.out.line(line)
    return 0


def _image_row(name: str, image: Json) -> list[str]:
    repository, tag = _split((image.get("RepoTags") or ["<none>:<none>"])[0])
    return [
        name,
        repository,
        tag,
        _platform(image),
        short_id(image["Id"].removeprefix("sha256:")),
        format_size(image.get("Size", 0), 3),
        _ago(str(image.get("Created", ""))),
    ]


def _image_json(name: str, image: Json) -> Json:
    repository, tag = _split((image.get("RepoTags") or [":"])[0])
    return {
        "ID": image["Id"],
        "ContainerName": name,
        "Repository": repository,
        "Tag": tag,
        "Platform": _platform(image),
        "Size": image.get("Size", 0),
        "Created": image.get("Created", ""),
    }


def _split(name: str) -> tuple[str, str]:
    repository, _, tag = name.rpartition(":")
    return repository, tag


def _platform(image: Json) -> str:
    return f"{image.get('Os', '')}/{image.get('Architecture', '')}"


def _ago(created: str) -> str:
    from sampan.compose.running.images import read_time_ns

    seconds = read_time_ns(created) // 1_000_000_000
    return format_ago(seconds) if seconds else ""


def volumes(context: Context, options: Options, arguments: list[str]) -> int:
    """The project's volumes, or those of some services."""
    from sampan.cli.commands.volume import LISTING
    from sampan.compose import labels

    project = load_or_infer(context)
    items = context.engine.volumes.list(filters={"label": [f"{labels.PROJECT}={project.name}"]})
    if arguments:
        used = {name for each in containers_of(context, arguments) for name in each.volumes}
        items = [item for item in items if item["Name"] in used]
    template = options.text("format")
    LISTING.show(
        context.out,
        sorted(items, key=lambda item: str(item["Name"])),
        template="" if template == "table" else template,
        default=("Driver", "Name"),
        quiet="Name" if options.switch("quiet") else "",
    )
    return 0


def stats(context: Context, options: Options, arguments: list[str]) -> int:
    """What its containers use, again and again."""
    from sampan.cli.commands.stats import run

    found = containers_of(context, arguments)
    names = [each.id for each in found if options.switch("all") or each.state in _RUNNING]
    return run(context, options, names) if names else 0


def events(context: Context, options: Options, arguments: list[str]) -> int:
    """What happens to its containers."""
    from sampan.compose import labels

    name = project_name(context)
    query = {
        "filters": {"type": ["container"], "label": [f"{labels.PROJECT}={name}"]},
        "since": parse_timestamp(options.text("since")) or None,
        "until": parse_timestamp(options.text("until")) or None,
    }
    for event in context.engine.system.events(query).iter_json():
        attributes = event["Actor"].get("Attributes") or {}
        service = attributes.get(labels.SERVICE, "")
        if attributes.get(labels.ONE_OFF) == "True" or (arguments and service not in arguments):
            continue
        if options.switch("json"):
            _print_json(context, _event_json(event, service))
        else:
            context.out.line(_event_line(event))
        context.out.flush()
    return 0


def _own(event: Json) -> dict[str, str]:
    attributes = event["Actor"].get("Attributes") or {}
    return {name: value for name, value in attributes.items() if not name.startswith("com.docker.compose.")}


def _event_line(event: Json) -> str:
    told = ", ".join(f"{name}={value}" for name, value in sorted(_own(event).items()))
    return f"{_time(event)} container {event['Action']} {event['Actor']['ID']} ({told})"


def _event_json(event: Json, service: str) -> Json:
    return {
        "time": _time(event),
        "type": "container",
        "service": service,
        "id": event["Actor"]["ID"],
        "action": event["Action"],
        "attributes": _own(event),
    }


def _time(event: Json) -> str:
    import time

    stamp_ns = int(event.get("timeNano") or event["time"] * 1_000_000_000)
    seconds, rest = divmod(stamp_ns, 1_000_000_000)
    return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(seconds))}.{rest // 1000:06}"


def ls(context: Context, options: Options, _arguments: list[str]) -> int:
    """The projects of the engine: known by their containers' labels."""
    from sampan.compose import labels

    wanted = parse_filters(options.several("filter"))
    for name in wanted:
        if name != "name":
            raise InvalidArgument(f'unknown filter "{name}"')
    items = context.engine.containers.list(every=True, filters={"label": [labels.PROJECT]})
    projects: dict[str, list[Json]] = {}
    for item in items:
        projects.setdefault(str(item["Labels"][labels.PROJECT]), []).append(item)
    rows = [_project_row(name, found) for name, found in sorted(projects.items())]
    if not options.switch("all"):
        rows = [row for row in rows if "running" in row[1]]
    if wanted.get("name"):
        rows = [row for row in rows if any(word in row[0] for word in wanted["name"])]
    if options.switch("quiet"):
        for row in rows:
            context.out.line(row[0])
    elif options.text("format") == "json":
        _print_json(context, [{"Name": row[0], "Status": row[1], "ConfigFiles": row[2]} for row in rows])
    else:
        for line in format_table([["NAME", "STATUS", "CONFIG FILES"], *rows], least_width=20):
            context.out.line(line)
    return 0


def _project_row(name: str, items: list[Json]) -> list[str]:
    from sampan.compose import labels

    states: dict[str, int] = {}
    for item in items:
        states[item["State"]] = states.get(item["State"], 0) + 1
    files = {str(item["Labels"].get(labels.CONFIG_FILES, "")) for item in items}
    told = ", ".join(f"{state}({count})" for state, count in sorted(states.items()))
    return [name, told, ",".join(sorted(files)) or "N/A"]


def version(context: Context, options: Options, _arguments: list[str]) -> int:
    """Ours, in docker compose's words."""
    from sampan import __version__

    if options.switch("short"):
        context.out.line(__version__)
    elif options.text("format") == "json":
        _print_json(context, {"version": __version__})
    else:
        context.out.line(f"Sampan Compose version {__version__}")
    return 0


def _print_json(context: Context, value: Any) -> None:
    from sampan.client.jsontext import encode_json

    context.out.line(encode_json(value).decode())


TOP = Command(
    "compose top",
    run=top,
    summary="Display the running processes",
    usage="[SERVICES...]",
    arity=ANY,
    flags=(DRY_RUN,),
)
IMAGES = Command(
    "compose images",
    run=images,
    summary="List images used by the created containers",
    usage="[OPTIONS] [SERVICE...]",
    arity=ANY,
    flags=(
        DRY_RUN,
        text("format", "Format the output. Values: [table | json]", default="table"),
        switch("quiet", "Only display IDs", short="q"),
    ),
)
VOLUMES = Command(
    "compose volumes",
    run=volumes,
    summary="List volumes",
    usage="[OPTIONS] [SERVICE...]",
    arity=ANY,
    flags=(
        DRY_RUN,
        text("format", "Format output: table, json, or a Go template", default="table"),
        switch("quiet", "Only display volume names", short="q"),
    ),
)
STATS = Command(
    "compose stats",
    run=stats,
    summary="Display a live stream of container(s) resource usage statistics",
    usage="[OPTIONS] [SERVICE]",
    arity=at_most(1),
    flags=(
        switch("all", "Show all containers (default shows just running)", short="a"),
        DRY_RUN,
        FORMAT_FLAG,
        switch("no-stream", "Disable streaming stats and only pull the first result"),
        switch("no-trunc", "Do not truncate output"),
    ),
)
EVENTS = Command(
    "compose events",
    run=events,
    summary="Receive real time events from containers",
    usage="[OPTIONS] [SERVICE...]",
    arity=ANY,
    flags=(
        DRY_RUN,
        switch("json", "Output events as a stream of json objects"),
        text("since", "Show all events created since timestamp"),
        text("until", "Stream events until this timestamp"),
    ),
)
LS = Command(
    "compose ls",
    run=ls,
    summary="List running compose projects",
    usage="[OPTIONS]",
    arity=NONE,
    flags=(
        switch("all", "Show all stopped Compose projects", short="a"),
        DRY_RUN,
        filter_flag("Filter output based on conditions provided"),
        text("format", "Format the output. Values: [table | json]", default="table"),
        switch("quiet", "Only display project names", short="q"),
    ),
)
VERSION = Command(
    "compose version",
    run=version,
    summary="Show the Sampan Compose version information",
    usage="[OPTIONS]",
    arity=NONE,
    flags=(
        DRY_RUN,
        text("format", "Format the output. Values: [pretty | json].", short="f"),
        switch("short", "Shows only Compose's version number"),
    ),
)
