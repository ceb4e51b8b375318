# SPDX-License-Identifier: Apache-2.0
"""``sampan rmi``: take names off images, and remove images that lose their last one."""

from __future__ import annotations

from sampan.cli.command import Command, at_least
from sampan.cli.flags import several, switch
from sampan.errors import NotFound, SampanError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options


def run(context: Context, options: Options, arguments: list[str]) -> int:
    """Remove one after the other; with --force, one that is not there is said but no failure."""
    force = options.switch("force")
    status = 0
    for name in arguments:
        try:
            removed = context.engine.images.remove(
                name,
                force=force,
                keep_parents=options.switch("no-prune"),
                platforms=options.several("platform"),
            )
        except SampanError as error:
            context.out.complain(error.message, error.hint)
            if not (force and isinstance(error, NotFound)):
                status = 1
            continue
        for change in removed:
            for verb, what in change.items():
                context.out.line(f"{verb}: {what}")
    return status


COMMAND = Command(
    "image rm",
    "image remove",
    "rmi",
    run=run,
    summary="Remove one or more images",
    usage="[OPTIONS] IMAGE [IMAGE...]",
    arity=at_least(1),
    flags=(
        switch("force", "Force removal of the image", short="f"),
        switch("no-prune", "Do not delete untagged parents"),
        several(
            "platform",
            "Remove only the given platform variant. "
            'Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")',
            commas=True,
        ),
    ),
)
