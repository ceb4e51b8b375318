# SPDX-License-Identifier: Apache-2.0
"""``sampan export``: a container's filesystem as a tar archive."""

from __future__ import annotations

from sampan.cli.archives import write_archive
from sampan.cli.command import Command, exactly
from sampan.cli.flags import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options


def run(context: Context, options: Options, arguments: list[str]) -> int:
    """Stream the archive to a file or to stdout."""
    target = options.text("output")
    write_archive(context.out, target, lambda: context.engine.containers.export(arguments[0]), verb="export")
    return 0


COMMAND = Command(
    "container export",
    "export",
    run=run,
    summary="Export a container's filesystem as a tar archive",
    usage="[OPTIONS] CONTAINER",
    arity=exactly(1),
    flags=(text("output", "Write to a file, instead of STDOUT", short="o"),),
)
