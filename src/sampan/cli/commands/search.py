# SPDX-License-Identifier: Apache-2.0
"""``sampan search``: look for images on Docker Hub, or on a registry that answers the same question."""

from __future__ import annotations

from sampan.cli.command import Command, exactly
from sampan.cli.filters import filter_flag, parse_filters
from sampan.cli.flags import number, switch, text
from sampan.cli.listing import Listing
from sampan.cli.wording import shorten
from sampan.client.credentials import CredentialStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options

_WIDTH = 45


def listing_of(*, full: bool) -> Listing:
    """The columns; `full` shows descriptions uncut."""
    return Listing(
        "*search.searchContext",
        {
            "Name": ("NAME", lambda found: found["name"]),
            "Description": ("DESCRIPTION", lambda found: _description(found["description"], full=full)),
            "StarCount": ("STARS", lambda found: str(found["star_count"])),
            "IsOfficial": ("OFFICIAL", lambda found: "[OK]" if found["is_official"] else ""),
            "IsAutomated": ("AUTOMATED", lambda found: "[OK]" if found["is_automated"] else ""),
        },
    )


def _description(description: str, *, full: bool) -> str:
    line = description.replace("\n", " ").replace("\r", " ")
    return line if full else shorten(line, _WIDTH)


def run(context: Context, options: Options, arguments: list[str]) -> int:
    """List what the search finds, most stars first."""
    term = arguments[0]
    found = context.engine.images.search(
        term,
        limit=options.number("limit"),
        filters=parse_filters(options.several("filter")),
        credentials=CredentialStore(context.environ).header_for(term),
    )
    listing_of(full=options.switch("no-trunc")).show(
        context.out,
        sorted(found, key=lambda one: -int(one["star_count"])),
        template=options.text("format"),
        default=("Name", "Description", "StarCount", "IsOfficial"),
    )
    return 0


COMMAND = Command(
    "search",
    run=run,
    summary="Search Docker Hub for images",
    usage="[OPTIONS] TERM",
    flags=(
        filter_flag(),
        text("format", "Pretty-print search using a Go template"),
        number("limit", "Max number of search results"),
        switch("no-trunc", "Don't truncate output"),
    ),
    arity=exactly(1),
)
