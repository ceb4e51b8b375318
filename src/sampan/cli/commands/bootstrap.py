# SPDX-License-Identifier: Apache-2.0
"""``sampan bootstrap``: build a base image from the distribution's packages and load it.

What a recipe is and how it is built is `sampan.bootstrap`'s business; here are the flags, the progress and
where the archive goes.
"""

from __future__ import annotations

from sampan.cli.command import Command, at_most
from sampan.cli.flags import several, switch, text
from sampan.cli.messages import raise_error
from sampan.cli.table import format_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

    from sampan.bootstrap.progress import Event
    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.cli.output import Output

_READ_BYTES = 1 << 20


def run(context: Context, options: Options, arguments: list[str]) -> int:
    """Build or take from the cache, then load into the engine or write to --output."""
    from sampan.bootstrap.command import Request, open_archive, write_archive_file

    if options.switch("list"):
        return list_recipes(context.out)
    request = Request(
        name=arguments[0] if arguments else None,
        recipe_file=options.text("recipe") or None,
        tags=tuple(options.several("tag")),
        mirror=options.text("mirror") or None,
        with_host_ca=options.switch("host-ca"),
        use_cache=not options.switch("no-cache"),
    )
    report = Report(context.out, quiet=options.switch("quiet"))
    with open_archive(request, context.environ, report.show) as (outcome, stream):
        if outcome.cached_age_s is not None:
            report.say(f"{outcome.recipe.name}: from the cache")
        if options.text("output"):
            write_archive_file(stream, options.text("output"))
        else:
            _load(context, stream)
    for reference in outcome.references:
        context.out.line(reference)
    return 0


def _load(context: Context, stream: IO[bytes]) -> None:
    for message in context.engine.images.load(_iter_pieces(stream), quiet=True).iter_json():
        raise_error(message)


def _iter_pieces(stream: IO[bytes]) -> Iterator[bytes]:
    while data := stream.read(_READ_BYTES):
        yield data


def list_recipes(out: Output) -> int:
    """Names, aliases and what each is."""
    from sampan.bootstrap.catalogue import iter_catalogue

    rows = [("NAME", "ALIASES")]
    rows += [(recipe.name, ", ".join(recipe.aliases)) for recipe in iter_catalogue()]
    for line in format_table(rows):
        out.line(line.rstrip())
    return 0


class Report:
    """Tells the phases of a bootstrap on stderr: on a terminal in one line, else a line a phase."""

    def __init__(self, out: Output, *, quiet: bool) -> None:
        self._out = out
        self._quiet = quiet
        self._phase = ""

    def show(self, event: Event) -> None:
        """One step; only a new phase is worth a line."""
        if event.phase != self._phase:
            self._phase = event.phase
            count = f" ({event.total})" if event.total else ""
            self.say(event.phase + count)

    def say(self, words: str) -> None:
        """A line for the person who watches."""
        if not self._quiet:
            self._out.note(words)


COMMAND = Command(
    "bootstrap",
    run=run,
    summary="Build a base image from the distribution's packages",
    usage="[OPTIONS] [NAME]",
    arity=at_most(1),
    flags=(
        switch("host-ca", "Use the host's certificates while fetching"),
        switch("list", "List the recipes and do nothing else"),
        text("mirror", "Fetch packages from this mirror"),
        switch("no-cache", "Do not use the archive of an earlier bootstrap"),
        text("output", "Write the archive to a file instead of loading it", short="o"),
        switch("quiet", "Suppress the progress", short="q"),
        text("recipe", "Use a recipe file of your own"),
        several("tag", 'Name and optionally a tag (format: "name:tag")', short="t"),
    ),
)
