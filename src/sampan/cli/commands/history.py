# SPDX-License-Identifier: Apache-2.0
"""``sampan history``: how an image's layers came to be."""

from __future__ import annotations

from sampan.cli.command import Command, exactly
from sampan.cli.flags import switch, text
from sampan.cli.listing import FORMAT_FLAG, Listing
from sampan.cli.times import format_rfc3339
from sampan.cli.units import format_ago, format_size
from sampan.cli.wording import short_id, shorten

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.client.jsontext import Json

_COLUMNS = ("ID", "CreatedSince", "CreatedBy", "Size", "Comment")
_CREATED_BY_WIDTH = 45


def run(context: Context, options: Options, arguments: list[str]) -> int:
    """Newest layer first."""
    listing_of(full=options.switch("no-trunc"), human=options.switch("human")).show(
        context.out,
        context.engine.images.history(arguments[0], platform=options.text("platform")),
        template=options.text("format"),
        default=_COLUMNS,
        quiet="ID" if options.switch("quiet") else "",
    )
    return 0


def listing_of(*, full: bool, human: bool) -> Listing:
    """The columns; `full` cuts nothing, `human` words sizes and times."""
    return Listing(
        "*formatter.historyContext",
        {
            "ID": ("IMAGE", lambda layer: layer["Id"] if full else short_id(layer["Id"])),
            "CreatedSince": ("CREATED" if human else "CREATED AT", lambda layer: _created(layer, human)),
            "CreatedAt": ("CREATED AT", lambda layer: format_rfc3339(layer["Created"])),
            "CreatedBy": ("CREATED BY", lambda layer: _created_by(layer, full)),
            "Size": ("SIZE", lambda layer: format_size(layer["Size"]) if human else str(layer["Size"])),
            "Comment": ("COMMENT", lambda layer: layer.get("Comment", "")),
        },
    )


def _created(layer: Json, human: bool) -> str:
    if not human:
        return format_rfc3339(layer["Created"])
    return format_ago(layer["Created"]) if layer["Created"] > 0 else "N/A"


def _created_by(layer: Json, full: bool) -> str:
    words: str = (layer.get("CreatedBy") or "").replace("\t", " ")
    return words if full else shorten(words, _CREATED_BY_WIDTH)


COMMAND = Command(
    "image history",
    "history",
    run=run,
    summary="Show the history of an image",
    usage="[OPTIONS] IMAGE",
    arity=exactly(1),
    flags=(
        FORMAT_FLAG,
        switch("human", "Print sizes and dates in human readable format", short="H", default=True),
        switch("no-trunc", "Don't truncate output"),
        text(
            "platform",
            'Show history for the given platform. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")',
        ),
        switch("quiet", "Only show image IDs", short="q"),
    ),
)
