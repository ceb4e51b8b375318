# SPDX-License-Identifier: Apache-2.0
"""``sampan volume create``, ``ls`` and ``rm``."""

from __future__ import annotations

from sampan.cli.command import Command, at_least, at_most
from sampan.cli.each import for_each
from sampan.cli.filters import filter_flag, parse_filters
from sampan.cli.flags import several, switch, text
from sampan.cli.listing import FORMAT_FLAG, Listing
from sampan.cli.units import format_size
from sampan.cli.wording import format_labels, label_method, split_pairs
from sampan.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.client.jsontext import Json

LISTING = Listing(
    "*formatter.volumeContext",
    {
        "Name": ("VOLUME NAME", lambda volume: volume["Name"]),
        "Driver": ("DRIVER", lambda volume: volume["Driver"]),
        "Scope": ("SCOPE", lambda volume: volume.get("Scope", "")),
        "Availability": ("AVAILABILITY", lambda _volume: "N/A"),
        "Group": ("GROUP", lambda _volume: "N/A"),
        "Labels": ("LABELS", lambda volume: format_labels(volume.get("Labels"))),
        "Links": ("LINKS", lambda volume: _usage(volume, "RefCount")),
        "Mountpoint": ("MOUNTPOINT", lambda volume: volume.get("Mountpoint", "")),
        "Size": ("SIZE", lambda volume: _usage(volume, "Size")),
        "Status": ("STATUS", lambda _volume: "N/A"),
    },
    {"Label": lambda volume: label_method(volume.get("Labels"))},
)


def _usage(volume: Json, field: str) -> str:
    usage = volume.get("UsageData")
    if not usage:
        return "N/A"
    return format_size(usage[field], 4) if field == "Size" else str(usage[field])


def run_create(context: Context, options: Options, arguments: list[str]) -> int:
    """Create one and print its name."""
    if arguments and options.text("name"):
        raise InvalidArgument(
            "conflicting options: cannot specify a name through both --name and an argument"
        )
    created = context.engine.volumes.create(
        {
            "Name": arguments[0] if arguments else options.text("name"),
            "Driver": options.text("driver"),
            "DriverOpts": split_pairs(options.several("opt")),
            "Labels": split_pairs(options.several("label")),
        }
    )
    context.out.line(created["Name"])
    return 0


def run_ls(context: Context, options: Options, _arguments: list[str]) -> int:
    """List by name."""
    volumes = context.engine.volumes.list(filters=parse_filters(options.several("filter")))
    LISTING.show(
        context.out,
        sorted(volumes, key=lambda volume: str(volume["Name"])),
        template=options.text("format"),
        default=("Driver", "Name"),
        quiet="Name" if options.switch("quiet") else "",
    )
    return 0


def run_rm(context: Context, options: Options, arguments: list[str]) -> int:
    """Remove one after the other."""
    force = options.switch("force")
    return for_each(context, arguments, lambda engine, name: engine.volumes.remove(name, force=force))


CREATE = Command(
    "volume create",
    run=run_create,
    summary="Create a volume",
    usage="[OPTIONS] [VOLUME]",
    arity=at_most(1),
    flags=(
        text("driver", "Specify volume driver name", short="d", default="local"),
        several("label", "Set metadata for a volume"),
        text("name", "Specify volume name", hidden=True),
        several("opt", "Set driver specific options", short="o", shows="map", shows_default="map[]"),
    ),
)
LS = Command(
    "volume ls",
    "volume list",
    run=run_ls,
    summary="List volumes",
    usage="[OPTIONS]",
    flags=(
        filter_flag('Provide filter values (e.g. "dangling=true")'),
        FORMAT_FLAG,
        switch("quiet", "Only display volume names", short="q"),
    ),
)
RM = Command(
    "volume rm",
    "volume remove",
    run=run_rm,
    summary="Remove one or more volumes",
    description="You cannot remove a volume that is in use by a container.",
    usage="[OPTIONS] VOLUME [VOLUME...]",
    arity=at_least(1),
    flags=(switch("force", "Force the removal of one or more volumes", short="f"),),
)
