# SPDX-License-Identifier: Apache-2.0
"""``sampan load``: read images from an archive that ``save`` wrote, ours or another's."""

from __future__ import annotations

import os

from sampan.cli.archives import STDIN
from sampan.cli.command import Command
from sampan.cli.flags import switch, text
from sampan.cli.messages import show_messages
from sampan.client.pieces import iter_descriptor, iter_file
from sampan.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from sampan.cli.context import Context
    from sampan.cli.options import Options


def run(context: Context, options: Options, _arguments: list[str]) -> int:
    """Send the archive; print the names of what was loaded."""
    quiet = options.switch("quiet") or not context.out.is_terminal
    archive = _open_archive(options.text("input"))
    answer = context.engine.images.load(archive, quiet=quiet, platform=options.text("platform"))
    show_messages(context.out, answer.iter_json())
    return 0


def _open_archive(path: str) -> Iterator[bytes]:
    if path:
        return iter_file(path)
    if os.isatty(STDIN):
        raise InvalidArgument("requested load from stdin, but stdin is empty")
    return iter_descriptor(STDIN)


COMMAND = Command(
    "image load",
    "load",
    run=run,
    summary="Load an image from a tar archive or STDIN",
    usage="[OPTIONS]",
    flags=(
        text("input", "Read from tar archive file, instead of STDIN", short="i"),
        text(
            "platform",
            'Load only the given platform variant. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")',
        ),
        switch("quiet", "Suppress the load output", short="q"),
    ),
)
