# SPDX-License-Identifier: Apache-2.0
"""``sampan bootstrap``: build a base image from the distribution's packages and load it.

What a recipe is and how it is built is `sampan.bootstrap`'s business; here are the flags, the progress and
where the archive goes.
"""

from __future__ import annotations

import os

from sampan.cli.command import Command, at_most
from sampan.cli.flags import several, switch, text
from sampan.cli.messages import raise_error
from sampan.cli.output import STDERR, write_all
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
_CLEAR = "\r\x1b[K"
_EVERY = 50


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
    report = Report(context.out, quiet=options.switch("quiet"), terminal=os.isatty(STDERR))
    try:
        with open_archive(request, context.environ, report.show) as (outcome, stream):
            if outcome.cached_age_s is not None:
                age = format_age(outcome.cached_age_s)
                report.say(f"{outcome.recipe.name}: from the cache, {age} (--no-cache builds it anew)")
            report.say("writing the archive" if options.text("output") else "loading the image")
            if options.text("output"):
                write_archive_file(stream, options.text("output"))
            else:
                _load(context, stream)
    finally:
        report.close()
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

    rows = [("NAME", "ALIASES", "SUMMARY")]
    rows += [(recipe.name, ", ".join(recipe.aliases), recipe.summary) for recipe in iter_catalogue()]
    for line in format_table(rows):
        out.line(line.rstrip())
    return 0


class Report:
    """Tells how a bootstrap goes, on stderr: on a terminal in one line that changes, else in a line a phase."""

    def __init__(self, out: Output, *, quiet: bool, terminal: bool) -> None:
        self._out = out
        self._quiet = quiet
        self._terminal = terminal
        self._phase = ""
        self._drawn = False

    def show(self, event: Event) -> None:
        """One step: where it is, and how many packages of how many."""
        if self._quiet:
            return
        if self._terminal:
            self._draw(event)
        elif event.phase != self._phase or (event.done and event.done % _EVERY == 0):
            self._out.note(format_event(event))
        self._phase = event.phase

    def say(self, words: str) -> None:
        """A line for the person who watches; what is drawn on a terminal gives way to it."""
        self.close()
        if not self._quiet:
            self._out.note(words)

    def close(self) -> None:
        """Leave the terminal with an empty line to write in."""
        if self._drawn:
            self._write(_CLEAR)
            self._drawn = False

    def _draw(self, event: Event) -> None:
        self._write(_CLEAR + format_event(event)[: self._out.width - 1])
        self._drawn = True

    def _write(self, words: str) -> None:
        self._out.flush()
        write_all(STDERR, words.encode())


def format_event(event: Event) -> str:
    """``installing packages 12/120 libc6``, with as much of that as is known."""
    count = f"{event.done}/{event.total}" if event.total else ""
    return " ".join(word for word in (event.phase, count, event.item) if word)


def format_age(seconds: float) -> str:
    """How old an archive is, in the largest unit that fits."""
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'s' * (count != 1)} old"
    return "just made"


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
