# SPDX-License-Identifier: Apache-2.0
"""``sampan push``: upload an image to a registry, through the engine."""

from __future__ import annotations

from sampan.cli.command import Command, exactly
from sampan.cli.flags import switch, text
from sampan.cli.pulling import show_transfer
from sampan.client.credentials import CredentialStore
from sampan.client.images import split_name
from sampan.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options


def run(context: Context, options: Options, arguments: list[str]) -> int:
    """Show progress; only the name when quiet."""
    quiet, name = options.switch("quiet"), arguments[0]
    repository, tag = split_name(name)
    if options.switch("all-tags") and (tag or "@" in name):
        raise InvalidArgument("tag can't be used with --all-tags/-a")
    if not tag and not options.switch("all-tags"):
        tag = "latest"
        if not quiet:
            context.out.line(f"Using default tag: {tag}")
    credentials = CredentialStore(context.environ).header_for(name)
    answer = context.engine.images.push(
        repository, tag, platform=options.text("platform"), credentials=credentials
    )
    show_transfer(context, answer, quiet=quiet)
    if quiet:
        context.out.line(f"{repository}:{tag}" if tag else repository)
    return 0


COMMAND = Command(
    "image push",
    "push",
    run=run,
    summary="Upload an image to a registry",
    usage="[OPTIONS] NAME[:TAG]",
    flags=(
        switch("all-tags", "Push all tags of an image to the repository", short="a"),
        switch("disable-content-trust", "Skip image signing", default=True, hidden=True),
        text("platform", "Push a platform-specific manifest as a single-platform image to the registry"),
        switch("quiet", "Suppress verbose output", short="q"),
    ),
    arity=exactly(1),
)
