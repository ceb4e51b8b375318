# SPDX-License-Identifier: Apache-2.0
"""``sampan ps``: list containers."""

from __future__ import annotations

from sampan.cli.command import Command
from sampan.cli.filters import filter_flag, parse_filters
from sampan.cli.flags import number, switch
from sampan.cli.listing import FORMAT_FLAG, Listing
from sampan.cli.published import format_ports
from sampan.cli.units import format_ago, format_size, format_time
from sampan.cli.wording import format_labels, label_method, quote, short_id, shorten

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.client.jsontext import Json

_COLUMNS = ("ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names")
_COMMAND_WIDTH = 20
_MOUNT_WIDTH = 15


def run(context: Context, options: Options, _arguments: list[str]) -> int:
    """List what the engine has, newest first."""
    template = options.text("format")
    last = 1 if options.switch("latest") else options.number("last")
    containers = context.engine.containers.list(
        every=options.switch("all") or last > 0,
        limit=max(last, 0),
        size=options.switch("size") or ".Size" in template,
        filters=parse_filters(options.several("filter")),
    )
    listing_of(full=options.switch("no-trunc")).show(
        context.out,
        containers,
        template=template,
        default=_COLUMNS + (("Size",) if options.switch("size") else ()),
        quiet="ID" if options.switch("quiet") else "",
    )
    return 0


def listing_of(*, full: bool) -> Listing:
    """The columns; `full` shows ids, commands and mounts uncut."""
    return Listing(
        "*formatter.ContainerContext",
        {
            "ID": ("CONTAINER ID", lambda item: item["Id"] if full else short_id(item["Id"])),
            "Names": ("NAMES", lambda item: _names(item, full)),
            "Image": ("IMAGE", lambda item: _image(item, full)),
            "Command": ("COMMAND", lambda item: _command(item, full)),
            "CreatedAt": ("CREATED AT", lambda item: format_time(item["Created"])),
            "RunningFor": ("CREATED", lambda item: format_ago(item["Created"])),
            "Ports": ("PORTS", lambda item: format_ports(item.get("Ports") or ())),
            "State": ("STATE", lambda item: item.get("State", "")),
            "Status": ("STATUS", lambda item: item.get("Status", "")),
            "Size": ("SIZE", _size),
            "Labels": ("LABELS", lambda item: format_labels(item.get("Labels"))),
            "Mounts": ("MOUNTS", lambda item: _mounts(item, full)),
            "LocalVolumes": ("LOCAL VOLUMES", _local_volumes),
            "Networks": ("NETWORKS", _networks),
            "Platform": (
                "PLATFORM",
                lambda item: (item.get("ImageManifestDescriptor") or {}).get("platform"),
            ),
        },
        {"Label": lambda item: label_method(item.get("Labels"))},
    )


def _names(item: Json, full: bool) -> str:
    names = [name.removeprefix("/") for name in item.get("Names") or ()]
    own = [name for name in names if "/" not in name]  # the others are links to it
    return ",".join(names if full else own[:1] or names)


def _image(item: Json, full: bool) -> str:
    image: str = item.get("Image") or "<no image>"
    if full:
        return image
    short = short_id(item.get("ImageID", ""))
    if short and short == short_id(image):
        return short
    name, at, _digest = image.partition("@")
    return name if at and ":" in name.rpartition("/")[2] else image


def _command(item: Json, full: bool) -> str:
    command = item.get("Command", "")
    return quote(command if full else shorten(command, _COMMAND_WIDTH))


def _size(item: Json) -> str:
    written, whole = item.get("SizeRw", 0), item.get("SizeRootFs", 0)
    virtual = f" (virtual {format_size(whole)})" if whole > 0 else ""
    return format_size(written) + virtual


def _mounts(item: Json, full: bool) -> str:
    names = (mount.get("Name") or mount.get("Source", "") for mount in item.get("Mounts") or ())
    return ",".join(name if full else shorten(name, _MOUNT_WIDTH) for name in names)


def _local_volumes(item: Json) -> str:
    return str(sum(mount.get("Driver") == "local" for mount in item.get("Mounts") or ()))


def _networks(item: Json) -> str:
    settings = item.get("NetworkSettings") or {}
    return ",".join(sorted(settings.get("Networks") or {}))


COMMAND = Command(
    "container ls",
    "container list",
    "container ps",
    "ps",
    run=run,
    summary="List containers",
    usage="[OPTIONS]",
    flags=(
        switch("all", "Show all containers (default shows just running)", short="a"),
        filter_flag(),
        FORMAT_FLAG,
        number("last", "Show n last created containers (includes all states)", short="n", default=-1),
        switch("latest", "Show the latest created container (includes all states)", short="l"),
        switch("no-trunc", "Don't truncate output"),
        switch("quiet", "Only display container IDs", short="q"),
        switch("size", "Display total file sizes", short="s"),
    ),
)
