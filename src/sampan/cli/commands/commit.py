# SPDX-License-Identifier: Apache-2.0
"""``sampan commit``: make an image of what a container changed."""

from __future__ import annotations

from sampan.cli.command import Command, between
from sampan.cli.flags import several, switch, text
from sampan.client.images import split_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options


def run(context: Context, options: Options, arguments: list[str]) -> int:
    """Commit and print the image's id."""
    container, *names = arguments
    repository, tag = split_name(names[0]) if names else ("", "")
    query = {
        "container": container,
        "repo": repository or None,
        "tag": tag or None,
        "comment": options.text("message") or None,
        "author": options.text("author") or None,
        "changes": options.several("change"),
        "pause": "1" if options.switch("pause") and not options.switch("no-pause") else "0",
    }
    context.out.line(context.engine.images.commit(query, {})["Id"])
    return 0


COMMAND = Command(
    "container commit",
    "commit",
    run=run,
    summary="Create a new image from a container's changes",
    usage="[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
    arity=between(1, 2),
    flags=(
        text("author", 'Author (e.g., "John Hannibal Smith <hannibal@a-team.com>")', short="a"),
        several("change", "Apply Dockerfile instruction to the created image", short="c"),
        text("message", "Commit message", short="m"),
        switch("no-pause", "Disable pausing container during commit", hidden=True),  # as Docker 29 says it
        switch("pause", "Pause container during commit", short="p", default=True),
    ),
)
