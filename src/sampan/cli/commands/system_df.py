# SPDX-License-Identifier: Apache-2.0
"""``sampan system df``: what takes how much of the disk."""

from __future__ import annotations

from sampan.cli.command import Command
from sampan.cli.commands.images import iter_rows
from sampan.cli.commands.images import listing_of as images_listing
from sampan.cli.commands.ps import listing_of as containers_listing
from sampan.cli.commands.volume import LISTING as VOLUMES
from sampan.cli.flags import switch
from sampan.cli.listing import FORMAT_FLAG, Listing
from sampan.cli.times import parse_timestamp
from sampan.cli.units import format_ago, format_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.cli.output import Output
    from sampan.client.jsontext import Json


_IMAGE_COLUMNS = ("Repository", "Tag", "ID", "CreatedSince", "Size", "SharedSize", "UniqueSize", "Containers")
_CONTAINER_COLUMNS = ("ID", "Image", "Command", "LocalVolumes", "Size", "RunningFor", "Status", "Names")


class Usage:
    """One row: how many there are, how many are in use, what all of them take and what could be freed."""

    __slots__ = ("active", "freeable", "shares", "size", "total", "what")

    def __init__(
        self, what: str, *, total: int, active: int, size: int, freeable: int, shares: bool = True
    ) -> None:
        self.what = what
        self.total = total
        self.active = active
        self.size = size
        self.freeable = freeable
        self.shares = shares  # docker gives no percentage of the build cache

    @property
    def reclaimable(self) -> str:
        """``1.2GB (60%)``."""
        share = f" ({self.freeable * 100 // self.size}%)" if self.size > 0 and self.shares else ""
        return format_size(self.freeable, 4) + share


LISTING = Listing(
    "*formatter.diskUsageContext",
    {
        "Type": ("TYPE", lambda usage: usage.what),
        "TotalCount": ("TOTAL", lambda usage: str(usage.total)),
        "Active": ("ACTIVE", lambda usage: str(usage.active)),
        "Size": ("SIZE", lambda usage: format_size(usage.size, 4)),
        "Reclaimable": ("RECLAIMABLE", lambda usage: usage.reclaimable),
    },
)


BUILD_RECORDS = Listing(
    "*formatter.buildCacheContext",
    {
        "ID": ("CACHE ID", lambda record: record["ID"][:12] + ("*" if record.get("InUse") else "")),
        "CacheType": ("CACHE TYPE", lambda record: record.get("Type", "")),
        "Size": ("SIZE", lambda record: format_size(record.get("Size", 0))),
        "CreatedSince": ("CREATED", lambda record: _ago(record.get("CreatedAt"))),
        "LastUsedSince": ("LAST USED", lambda record: _ago(record.get("LastUsedAt"))),
        "UsageCount": ("USAGE", lambda record: str(record.get("UsageCount", 0))),
        "Shared": ("SHARED", lambda record: str(bool(record.get("Shared"))).lower()),
    },
)


def _ago(moment: str | None) -> str:
    return format_ago(float(parse_timestamp(moment))) if moment and not moment.startswith("0001-") else ""


def run(context: Context, options: Options, _arguments: list[str]) -> int:
    """A row a kind; with --verbose, a list of each."""
    usage = context.engine.system.disk_usage()
    if options.switch("verbose") and not options.text("format"):
        show_details(context.out, usage)
        return 0
    LISTING.show(
        context.out,
        list(iter_usage(usage)),
        template=options.text("format"),
        default=("Type", "TotalCount", "Active", "Size", "Reclaimable"),
    )
    return 0


def show_details(out: Output, usage: Json) -> None:
    """A table a kind, as docker's: what each image, container, volume and build record takes."""
    images = [next(iter_rows(image, digests=False)) for image in usage.get("Images") or ()]
    out.text("Images space usage:\n\n")
    images_listing(full=False).show(out, images, template="", default=_IMAGE_COLUMNS)
    out.text("\nContainers space usage:\n\n")
    containers = [
        {**one, "SizeRootFs": 0} for one in usage.get("Containers") or ()
    ]  # as docker: no virtual size
    containers_listing(full=False).show(out, containers, template="", default=_CONTAINER_COLUMNS)
    out.text("\nLocal Volumes space usage:\n\n")
    VOLUMES.show(out, usage.get("Volumes") or [], template="", default=("Name", "Links", "Size"))
    records = usage.get("BuildCache") or []
    out.text(f"\nBuild cache usage: {format_size(_build_cache(records).size, 4)}\n\n")
    BUILD_RECORDS.show(out, records, template="", default=tuple(BUILD_RECORDS.columns))


def iter_usage(usage: Json) -> Iterator[Usage]:
    """Docker's four rows, by its own reckoning."""
    images = usage.get("Images") or []
    layers = usage.get("LayersSize") or 0
    used = sum(image["Size"] - image["SharedSize"] for image in images if _in_use(image) and _is_sized(image))
    yield Usage(
        "Images",
        total=len(images),
        active=sum(map(_in_use, images)),
        size=layers,
        freeable=max(layers - used, 0),
    )
    containers = usage.get("Containers") or []
    running = [one for one in containers if one.get("State") in ("running", "paused", "restarting")]
    size = sum(one.get("SizeRw", 0) for one in containers)
    yield Usage(
        "Containers",
        total=len(containers),
        active=len(running),
        size=size,
        freeable=size - sum(one.get("SizeRw", 0) for one in running),
    )
    volumes = [one.get("UsageData") or {} for one in usage.get("Volumes") or []]
    yield _volumes(volumes)
    yield _build_cache(usage.get("BuildCache") or [])


def _in_use(image: Json) -> bool:
    count: int = image.get("Containers", 0)
    return count > 0


def _is_sized(image: Json) -> bool:
    return bool(image.get("SharedSize", -1) != -1)


def _volumes(volumes: list[Json]) -> Usage:
    sized = [one for one in volumes if one.get("Size", -1) >= 0]
    return Usage(
        "Local Volumes",
        total=len(volumes),
        active=sum(one.get("RefCount", 0) > 0 for one in volumes),
        size=sum(one["Size"] for one in sized),
        freeable=sum(one["Size"] for one in sized if one.get("RefCount", 0) == 0),
    )


def _build_cache(records: list[Json]) -> Usage:
    own = [record for record in records if not record.get("Shared")]
    return Usage(
        "Build Cache",
        total=len(records),
        active=sum(bool(record.get("InUse")) for record in records),
        size=sum(record.get("Size", 0) for record in own),
        freeable=sum(record.get("Size", 0) for record in own if not record.get("InUse")),
        shares=False,
    )


COMMAND = Command(
    "system df",
    run=run,
    summary="Show disk usage",
    usage="[OPTIONS]",
    flags=(FORMAT_FLAG, switch("verbose", "Show detailed information on space usage", short="v")),
)
