# SPDX-License-Identifier: Apache-2.0
"""``sampan system prune``: containers, networks, images, build cache, and volumes when asked, in one go."""

from __future__ import annotations

from sampan.cli.command import Command
from sampan.cli.commands.prune import (
    BUILD_CACHE,
    CONTAINERS,
    IMAGES,
    NETWORKS,
    VOLUMES,
    Kind,
    prune,
)
from sampan.cli.confirm import FORCE_FLAG, confirm
from sampan.cli.filters import parse_filters
from sampan.cli.flags import several, switch
from sampan.cli.units import format_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options


def plan_kinds(*, volumes: bool) -> list[Kind]:
    """What is pruned, in docker's order: users of things before the things."""
    return [CONTAINERS, NETWORKS, *([VOLUMES] if volumes else []), IMAGES, BUILD_CACHE]


def format_warning(*, every: bool, volumes: bool) -> str:
    """The question's text, docker's."""
    lost = ["all stopped containers", "all networks not used by at least one container"]
    if volumes:
        lost.append("all anonymous volumes not used by at least one container")
    if every:
        lost.append("all images without at least one container associated to them")
    else:
        lost.append("all dangling images")
    lost.append("all build cache" if every else "unused build cache")
    return "This will remove:\n" + "".join(f"  - {what}\n" for what in lost)


def run(context: Context, options: Options, _arguments: list[str]) -> int:
    """Remove everything that is not used, and say how much it was."""
    every, volumes = options.switch("all"), options.switch("volumes")
    if not options.switch("force") and not confirm(context.out, format_warning(every=every, volumes=volumes)):
        return 0
    filters = parse_filters(options.several("filter"), label="--filter")
    freed = sum(
        prune(context, kind, filters, every=every and kind is not VOLUMES)
        for kind in plan_kinds(volumes=volumes)
    )
    context.out.line(f"Total reclaimed space: {format_size(freed, 4)}")
    return 0


COMMAND = Command(
    "system prune",
    run=run,
    summary="Remove unused data",
    usage="[OPTIONS]",
    flags=(
        switch("all", "Remove all unused images not just dangling ones", short="a"),
        several("filter", 'Provide filter values (e.g. "label=<key>=<value>")', shows="filter"),
        FORCE_FLAG,
        switch("volumes", "Prune anonymous volumes"),
    ),
)
