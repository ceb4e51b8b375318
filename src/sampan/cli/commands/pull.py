# SPDX-License-Identifier: Apache-2.0
"""``sampan pull``: fetch an image from a registry, through the engine."""

from __future__ import annotations

from sampan.cli.command import Command, exactly
from sampan.cli.flags import switch, text
from sampan.cli.pulling import pull_image
from sampan.client.images import split_reference
from sampan.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options


def run(context: Context, options: Options, arguments: list[str]) -> int:
    """Show progress, then the full name; only the name when quiet."""
    quiet, name = options.switch("quiet"), arguments[0]
    repository, tag = split_reference(name)
    if options.switch("all-tags"):
        if name != repository:
            raise InvalidArgument("tag can't be used with --all-tags/-a")
        pull_image(context, name, platform=options.text("platform"), quiet=quiet, all_tags=True)
        context.out.line(name)
        return 0
    if not quiet and name == repository:
        context.out.line(f"Using default tag: {tag}")
    pull_image(context, name, platform=options.text("platform"), quiet=quiet)
    context.out.line(f"{repository}@{tag}" if "@" in name else f"{repository}:{tag}")
    return 0


COMMAND = Command(
    "image pull",
    "pull",
    run=run,
    summary="Download an image from a registry",
    usage="[OPTIONS] NAME[:TAG|@DIGEST]",
    flags=(
        switch("all-tags", "Download all tagged images in the repository", short="a"),
        switch("disable-content-trust", "Skip image verification", default=True, hidden=True),
        text("platform", "Set platform if server is multi-platform capable"),
        switch("quiet", "Suppress verbose output", short="q"),
    ),
    arity=exactly(1),
)
