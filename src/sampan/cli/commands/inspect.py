# SPDX-License-Identifier: Apache-2.0
"""``sampan inspect``, and the ``inspect`` of each kind of object."""

from __future__ import annotations

from sampan.cli.command import Command, at_least
from sampan.cli.flags import Flag, switch, text
from sampan.cli.inspection import show_values
from sampan.cli.listing import INSPECT_FORMAT_FLAG
from sampan.errors import InvalidArgument, NotFound, SampanError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.client.api import Engine
    from sampan.client.jsontext import Json

    Find = Callable[[Engine, str], Json]

_SIZE_FLAG = switch("size", "Display total file sizes if the type is container", short="s")
_TYPES = ("container", "image", "network", "volume")


def finder_of(kind: str, options: Options) -> Find:
    """How an object of one kind is looked up."""
    platform = options.text("platform") if options.declares("platform") else ""
    if kind == "container":
        size = options.declares("size") and options.switch("size")
        return lambda engine, name: engine.containers.inspect(name, size=size)
    if kind == "image":
        return lambda engine, name: engine.images.inspect(name, platform=platform)
    if kind == "network":
        verbose = options.declares("verbose") and options.switch("verbose")
        return lambda engine, name: engine.networks.inspect(name, verbose=verbose)
    if kind == "volume":
        return lambda engine, name: engine.volumes.inspect(name)
    raise InvalidArgument(f'unknown type: "{kind}": must be one of "container", "image", "network", "volume"')


def run(context: Context, options: Options, arguments: list[str]) -> int:
    """Of any kind: the first that has the name, containers before images before networks before volumes."""
    kind = options.text("type")
    if options.given("type") and not kind:
        raise InvalidArgument("type is empty: must be one of container, image, network, volume")
    finders = [finder_of(one, options) for one in ((kind,) if kind else _TYPES)]

    def find(engine: Engine, name: str) -> Json:
        for finder in finders:
            try:
                return finder(engine, name)
            except NotFound:
                if kind:
                    raise
        raise NotFound(f"No such object: {name}")

    return show_found(context, arguments, find, template=options.text("format"))


def show_found(context: Context, names: Sequence[str], find: Find, *, template: str) -> int:
    """Print those that are there, then complain about the others."""
    engine = context.engine
    found: list[Json] = []
    failures: list[SampanError] = []
    for name in names:
        try:
            found.append(find(engine, name))
        except SampanError as error:
            failures.append(error)
    if found or not template:
        show_values(context.out, found, template)
    for failure in failures:
        context.out.complain(failure.message, failure.hint)
    return 1 if failures else 0


def _inspect_of(kind: str, *, what: str, usage: str, flags: tuple[Flag, ...] = ()) -> Command:
    def run_one_kind(context: Context, options: Options, arguments: list[str]) -> int:
        return show_found(context, arguments, finder_of(kind, options), template=options.text("format"))

    return Command(
        f"{kind} inspect",
        run=run_one_kind,
        summary=f"Display detailed information on one or more {what}",
        usage=usage,
        arity=at_least(1),
        flags=(INSPECT_FORMAT_FLAG, *flags),
    )


COMMAND = Command(
    "inspect",
    run=run,
    summary="Return low-level information on Docker objects",
    usage="[OPTIONS] NAME|ID [NAME|ID...]",
    arity=at_least(1),
    flags=(INSPECT_FORMAT_FLAG, _SIZE_FLAG, text("type", "Only inspect objects of the given type")),
)
CONTAINER = _inspect_of(
    "container",
    what="containers",
    usage="[OPTIONS] CONTAINER [CONTAINER...]",
    flags=(switch("size", "Display total file sizes", short="s"),),
)
IMAGE = _inspect_of(
    "image",
    what="images",
    usage="[OPTIONS] IMAGE [IMAGE...]",
    flags=(
        text(
            "platform",
            "Inspect a specific platform of the multi-platform image.\n"
            "If the image or the server is not multi-platform capable, "
            "the command will error out if the platform does not match.\n"
            "'os[/arch[/variant]]': Explicit platform (eg. linux/amd64)",
        ),
    ),
)
NETWORK = _inspect_of(
    "network",
    what="networks",
    usage="[OPTIONS] NETWORK [NETWORK...]",
    flags=(switch("verbose", "Verbose output for diagnostics", short="v"),),
)
VOLUME = _inspect_of("volume", what="volumes", usage="[OPTIONS] VOLUME [VOLUME...]")
