# SPDX-License-Identifier: Apache-2.0
"""``sampan container prune`` and its like: remove what is not used.

A `Kind` says what is pruned as data; `system prune` applies several of them.
"""

from __future__ import annotations

from sampan.cli.command import Command
from sampan.cli.confirm import FORCE_FLAG, confirm
from sampan.cli.filters import parse_filters
from sampan.cli.flags import several, switch
from sampan.cli.units import format_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.client.api import Engine
    from sampan.client.jsontext import Json

    Filters = dict[str, list[str]]
    Apply = Callable[[Engine, Filters, bool], Json]


class Kind:
    """One kind of thing: what is lost (`few`, or `every` with --all) and how; `field` lists what went."""

    __slots__ = ("apply", "every", "few", "field", "title")

    def __init__(self, *, title: str, field: str, few: str, apply: Apply, every: str = "") -> None:
        self.title = title
        self.field = field
        self.few = few
        self.every = every
        self.apply = apply


def _prune_images(engine: Engine, filters: Filters, every: bool) -> Json:
    return engine.images.prune(filters={**filters, "dangling": ["false" if every else "true"]})


def _prune_volumes(engine: Engine, filters: Filters, every: bool) -> Json:
    return engine.volumes.prune(filters={**filters, "all": ["true"]} if every else filters)


CONTAINERS = Kind(
    title="Containers",
    field="ContainersDeleted",
    few="all stopped containers",
    apply=lambda engine, filters, _every: engine.containers.prune(filters=filters),
)
IMAGES = Kind(
    title="Images",
    field="ImagesDeleted",
    few="all dangling images",
    every="all images without at least one container associated to them",
    apply=_prune_images,
)
VOLUMES = Kind(
    title="Volumes",
    field="VolumesDeleted",
    few="anonymous local volumes not used by at least one container",
    every="all local volumes not used by at least one container",
    apply=_prune_volumes,
)
NETWORKS = Kind(
    title="Networks",
    field="NetworksDeleted",
    few="all custom networks not used by at least one container",
    apply=lambda engine, filters, _every: engine.networks.prune(filters=filters),
)
BUILD_CACHE = Kind(
    title="build cache objects",
    field="CachesDeleted",
    few="all dangling build cache",
    every="all build cache",
    apply=lambda engine, filters, every: engine.images.prune_build_cache(every=every, filters=filters),
)


def prune(context: Context, kind: Kind, filters: Filters, *, every: bool) -> int:
    """Remove, and say what; gives the bytes that are free now."""
    pruned = kind.apply(context.engine, filters, every)
    removed = pruned.get(kind.field) or ()
    if removed:
        context.out.line(f"Deleted {kind.title}:")
        for item in removed:
            for line in _iter_names(item):
                context.out.line(line)
        context.out.line()
    return int(pruned.get("SpaceReclaimed") or 0)


def _iter_names(item: str | Json) -> Iterator[str]:
    """A name, or for images what happened to each of them."""
    if isinstance(item, str):
        yield item
    else:
        yield from (f"{verb.lower()}: {what}" for verb, what in item.items())


def _prune_of(group: str, kind: Kind, summary: str, *, example: str, all_help: str = "") -> Command:
    def run(context: Context, options: Options, _arguments: list[str]) -> int:
        every = bool(all_help) and options.switch("all")
        lost = kind.every if every else kind.few
        if not options.switch("force") and not confirm(context.out, f"This will remove {lost}."):
            return 0
        freed = prune(context, kind, parse_filters(options.several("filter"), label="--filter"), every=every)
        if kind is not NETWORKS:
            context.out.line(f"Total reclaimed space: {format_size(freed, 4)}")
        return 0

    filtering = several("filter", f'Provide filter values (e.g. "{example}")', shows="filter")
    all_flags = (switch("all", all_help, short="a"),) if all_help else ()
    return Command(
        f"{group} prune",
        run=run,
        summary=summary,
        usage="[OPTIONS]",
        flags=(FORCE_FLAG, filtering, *all_flags),
    )


CONTAINER = _prune_of("container", CONTAINERS, "Remove all stopped containers", example="until=<timestamp>")
IMAGE = _prune_of(
    "image",
    IMAGES,
    "Remove unused images",
    example="until=<timestamp>",
    all_help="Remove all unused images, not just dangling ones",
)
VOLUME = _prune_of(
    "volume",
    VOLUMES,
    "Remove unused local volumes",
    example="label=<label>",
    all_help="Remove all unused volumes, not just anonymous ones",
)
NETWORK = _prune_of("network", NETWORKS, "Remove all unused networks", example="until=<timestamp>")
