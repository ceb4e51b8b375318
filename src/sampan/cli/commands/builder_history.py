# SPDX-License-Identifier: Apache-2.0
"""``sampan builder history ls``, ``logs``, ``inspect`` and ``rm``: the builds that there were, of whichever client.

Implements: docker buildx history. A build is named by its ref, the beginning of one, or ``^N`` for the Nth from the
last; without a name the last one is meant.
"""

from __future__ import annotations

from sampan.cli.build_report import format_duration, iter_report, parse_moment
from sampan.cli.command import Command, at_least, at_most, exactly
from sampan.cli.flags import several, switch, text
from sampan.cli.listing import Listing
from sampan.cli.progress import Trace
from sampan.cli.units import format_ago
from sampan.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.client.jsontext import Json

_STATUSES = {"completed": "Completed", "running": "Running", "error": "Error", "canceled": "Canceled"}
_NAME_WIDTH = 36


def _listing(now_s: float, *, full: bool) -> Listing:
    return Listing(
        "*history.lsContext",
        {
            "Ref": ("BUILD ID", lambda build: build["Ref"]),
            "Name": ("NAME", lambda build: build["Name"] if full else _ending(build["Name"])),
            "Status": ("STATUS", lambda build: _STATUSES[build["Status"]]),
            "CreatedAt": ("CREATED AT", lambda build: format_ago(parse_moment(build["CreatedAt"]), now_s)),
            "Duration": ("DURATION", lambda build: _duration(build, now_s)),
            "Client": ("CLIENT", lambda build: build["Client"]),
            "TotalSteps": ("TOTAL STEPS", lambda build: build["TotalSteps"]),
            "CompletedSteps": ("COMPLETED STEPS", lambda build: build["CompletedSteps"]),
            "CachedSteps": ("CACHED STEPS", lambda build: build["CachedSteps"]),
            "Warnings": ("WARNINGS", lambda build: build["Warnings"]),
        },
    )


def _ending(name: str) -> str:
    return name if len(name) <= _NAME_WIDTH else ".." + name[2 - _NAME_WIDTH :]


def _duration(build: Json, now_s: float) -> str:
    began = parse_moment(build["CreatedAt"])
    if build["CompletedAt"]:
        return format_duration(parse_moment(build["CompletedAt"]) - began)
    return format_duration(now_s - began) + "+"


def run_ls(context: Context, options: Options, _arguments: list[str]) -> int:
    """Those under way, then the last one first."""
    import time

    filters = options.several("filter")
    if options.switch("local"):
        filters = [*filters, f"repository={_repository()}"]
    builds = context.engine.images.build_history(filters)
    given = options.text("format")
    if given == "json":
        _print_json(context, builds)
        return 0
    full = options.switch("no-trunc") or (given != "table" and not given.startswith("table "))
    _listing(time.time(), full=full).show(
        context.out,
        sorted(builds, key=lambda build: bool(build["CompletedAt"])),
        template=given,
        default=("Ref", "Name", "Status", "CreatedAt", "Duration"),
    )
    return 0


def _print_json(context: Context, builds: Iterable[Json]) -> None:
    """With the names that buildx gives the fields."""
    from sampan.client.jsontext import encode_json

    for build in builds:
        fields = {
            "cached_steps": build["CachedSteps"],
            "completed_steps": build["CompletedSteps"],
            "created_at": build["CreatedAt"],
            "name": build["Name"],
            "ref": build["Ref"],
            "status": _STATUSES[build["Status"]],
            "total_steps": build["TotalSteps"],
        }
        if build["CompletedAt"]:
            fields["completed_at"] = build["CompletedAt"]
        context.out.line(encode_json(fields).decode())


def _repository() -> str:
    """Where the repository that one is in comes from."""
    import subprocess

    found = subprocess.run(
        ["git", "config", "--get", "remote.origin.url"], capture_output=True, text=True, check=False
    )
    if found.returncode != 0:
        raise InvalidArgument("could not get remote URL for local filter")
    return found.stdout.strip()


def run_inspect(context: Context, options: Options, arguments: list[str]) -> int:
    """Show one build in full."""
    build = context.engine.images.inspect_build(_ref(arguments))
    given = options.text("format")
    if given == "json":
        import json

        context.out.line(json.dumps(build, indent=2, ensure_ascii=False))
    elif given != "pretty":
        from sampan.cli.template import parse_template

        context.out.line(parse_template(given).render(build))
    else:
        for line in iter_report(build, named=bool(arguments)):
            context.out.line(line)
    return 0


def _ref(arguments: list[str]) -> str:
    return arguments[0] if arguments else "^0"


def run_logs(context: Context, options: Options, arguments: list[str]) -> int:
    """Show again what a build said; of one under way, to its end."""
    moment_ns = 0
    show = _display(context, options.text("progress"), lambda: moment_ns)
    for line in context.engine.images.build_log(_ref(arguments)).iter_json():
        moment_ns = line["at"]
        show.event(line["sampan"])
    show.close()
    return 0


def _display(context: Context, kind: str, clock_ns: Callable[[], int]) -> _Shown:
    if kind in ("", "auto", "plain"):
        from sampan.cli.progress_plain import PlainProgress

        return PlainProgress(context.out.note, clock_ns)
    if kind == "rawjson":
        from sampan.cli.progress_raw import RawProgress

        return RawProgress(context.out.note, clock_ns)
    if kind == "tty":
        return _LastFrame(context.out.note, clock_ns)
    raise InvalidArgument(f"invalid progress type {kind}: must be one of plain, rawjson, tty")


class _LastFrame:
    """What the live view showed at its end."""

    def __init__(self, say: Callable[[str], None], clock_ns: Callable[[], int]) -> None:
        self.trace = Trace()
        self._say = say
        self._clock_ns = clock_ns

    def event(self, event: Json) -> None:
        """Take one event."""
        self.trace.take(event, self._clock_ns())

    def close(self) -> None:
        """Print it."""
        from sampan.cli.progress_live import iter_frame

        for line in iter_frame(self.trace, self._clock_ns()):
            self._say(line)


def run_rm(context: Context, options: Options, arguments: list[str]) -> int:
    """Forget builds."""
    images = context.engine.images
    if options.switch("all"):
        if arguments:
            raise InvalidArgument("rm requires either --all or at least one argument")
        arguments = [build["Ref"] for build in images.build_history(["status!=running"])]
    elif not arguments:
        raise InvalidArgument("rm requires at least one argument")
    for ref in arguments:
        images.forget_build(ref)
    return 0


if TYPE_CHECKING:
    from sampan.cli.progress import Progress as _Shown

LS = Command(
    "builder history ls",
    run=run_ls,
    summary="List build records",
    usage="[OPTIONS]",
    flags=(
        several("filter", 'Provide filter values (e.g., "status=error")', shows="stringArray"),
        text("format", "Format the output", default="table"),
        switch("local", "List records for current repository only"),
        switch("no-trunc", "Don't truncate output"),
    ),
    arity=exactly(0),
)
INSPECT = Command(
    "builder history inspect",
    run=run_inspect,
    summary="Inspect a build record",
    usage="[OPTIONS] [REF]",
    flags=(text("format", "Format the output", default="pretty"),),
    arity=at_most(1),
)
LOGS = Command(
    "builder history logs",
    run=run_logs,
    summary="Print the logs of a build record",
    usage="[OPTIONS] [REF]",
    flags=(text("progress", "Set type of progress output (plain, rawjson, tty)", default="plain"),),
    arity=at_most(1),
)
RM = Command(
    "builder history rm",
    run=run_rm,
    summary="Remove build records",
    usage="[OPTIONS] [REF...]",
    flags=(switch("all", "Remove all build records"),),
    arity=at_least(0),
)
