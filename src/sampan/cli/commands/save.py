# SPDX-License-Identifier: Apache-2.0
"""``sampan save``: images as one archive, which Docker's and OCI's tools read."""

from __future__ import annotations

from sampan.cli.archives import write_archive
from sampan.cli.command import Command, at_least
from sampan.cli.flags import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.client.answer import Answer


def run(context: Context, options: Options, arguments: list[str]) -> int:
    """Stream the archive to a file or to stdout."""
    platform = options.text("platform")

    def open_archive() -> Answer:
        return context.engine.images.save(arguments, platform=platform)

    write_archive(context.out, options.text("output"), open_archive, verb="save")
    return 0


COMMAND = Command(
    "image save",
    "save",
    run=run,
    summary="Save one or more images to a tar archive (streamed to STDOUT by default)",
    usage="[OPTIONS] IMAGE [IMAGE...]",
    arity=at_least(1),
    flags=(
        text("output", "Write to a file, instead of STDOUT", short="o"),
        text(
            "platform",
            'Save only the given platform variant. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")',
        ),
    ),
)
