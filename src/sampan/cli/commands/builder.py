# SPDX-License-Identifier: Apache-2.0
"""``sampan builder du``, ``prune`` and ``cache``: what builds have kept, making it smaller, and moving it elsewhere.

Implements: docker buildx du and docker buildx prune; ``builder cache`` is Sampan's own.
"""

from __future__ import annotations

import os

from sampan.cli.command import Command, exactly
from sampan.cli.confirm import FORCE_FLAG, confirm
from sampan.cli.filters import parse_filters
from sampan.cli.flags import several, switch, text
from sampan.cli.sizes import read_flag
from sampan.cli.table import format_table
from sampan.cli.times import parse_timestamp
from sampan.cli.units import format_ago, format_size
from sampan.client.credentials import CredentialStore
from sampan.client.sizes import parse_size
from sampan.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.client.jsontext import Json

_FILTERS = ("description", "id", "inuse", "private", "shared", "type")
_EVERY = "all build cache"
_FEW = "all dangling build cache"


def run_du(context: Context, options: Options, _arguments: list[str]) -> int:
    """Show the records, and what they take together."""
    found = context.engine.system.disk_usage(["build-cache"]).get("BuildCache") or []
    wanted = parse_filters(options.several("filter"), label="--filter")
    records = [record for record in reversed(found) if matches(record, wanted)]
    if options.text("format") == "json":
        from sampan.client.jsontext import encode_json

        for record in records:
            context.out.line(encode_json(record).decode())
        return 0
    lines = _blocks(records) if options.switch("verbose") else _rows(records)
    for line in [*lines, *_totals(records)]:
        context.out.line(line)
    return 0


def matches(record: Json, wanted: Mapping[str, Sequence[str]]) -> bool:
    """Whether a record passes all filters; several values of one are alternatives."""
    for key, values in wanted.items():
        if key not in _FILTERS:
            raise InvalidArgument(
                f"invalid filter '{key}'", hint=f"one of {', '.join(_FILTERS)} is supported"
            )
        if not any(_matches(record, key, value) for value in values):
            return False
    return True


def _matches(record: Json, key: str, value: str) -> bool:
    if key == "id":
        return str(record["ID"]).startswith(value)
    if key in ("description", "type"):
        return str(record[{"description": "Description", "type": "Type"}[key]]) == value
    state = {"inuse": record["InUse"], "shared": record["Shared"], "private": not record["Shared"]}[key]
    return bool(state) is (value.lower() not in ("0", "f", "false"))


def _rows(records: Sequence[Json]) -> list[str]:
    """A table; a star marks what an image shares."""
    rows = [
        (
            record["ID"],
            _yes(not record["InUse"]),
            format_size(record["Size"], 4) + ("*" if record["Shared"] else ""),
            _ago(record["LastUsedAt"]),
        )
        for record in records
    ]
    return format_table([("ID", "RECLAIMABLE", "SIZE", "LAST ACCESSED"), *rows])


def _blocks(records: Sequence[Json]) -> list[str]:
    lines: list[str] = []
    for record in records:
        lines += format_table(
            [
                ("ID:", record["ID"]),
                ("Created at:", record["CreatedAt"]),
                ("Reclaimable:", _yes(not record["InUse"])),
                ("Shared:", _yes(record["Shared"])),
                ("Size:", format_size(record["Size"], 4)),
                ("Description:", record["Description"]),
                ("Usage count:", str(record["UsageCount"])),
                ("Last used:", _ago(record["LastUsedAt"])),
                ("Type:", record["Type"]),
            ],
            padding=1,
        )
        lines.append("")
    return lines


def _totals(records: Sequence[Json]) -> list[str]:
    shared = sum(record["Size"] for record in records if record["Shared"])
    total = sum(record["Size"] for record in records)
    free = sum(record["Size"] for record in records if not record["InUse"])
    rows = [("Reclaimable:", format_size(free, 4)), ("Total:", format_size(total, 4))]
    if shared:
        rows = [("Shared:", format_size(shared, 4)), ("Private:", format_size(total - shared, 4)), *rows]
    return format_table(rows)


def _ago(moment: str | None) -> str:
    return format_ago(float(parse_timestamp(moment))) if moment else ""


def _yes(fact: bool) -> str:
    return "true" if fact else "false"


def run_prune(context: Context, options: Options, _arguments: list[str]) -> int:
    """Remove results, and say which."""
    every = options.switch("all")
    if not options.switch("force") and not confirm(
        context.out, f"This will remove {_EVERY if every else _FEW}."
    ):
        return 0
    pruned = context.engine.images.prune_build_cache(
        every=every,
        filters=parse_filters(options.several("filter"), label="--filter"),
        limits=plan_limits(options),
    )
    removed = pruned.get("CachesDeleted") or ()
    if removed:
        context.out.line("Deleted build cache objects:")
        for name in removed:
            context.out.line(name)
        context.out.line()
    context.out.line(f"Total reclaimed space: {format_size(int(pruned.get('SpaceReclaimed') or 0), 4)}")
    return 0


def plan_limits(options: Options) -> dict[str, int]:
    """What is to stay; ``--keep-storage`` is the older name of the reserve."""
    limits = {}
    for flag, name in (
        ("keep-storage", "reserved-space"),
        ("reserved-space", "reserved-space"),
        ("max-used-space", "max-used-space"),
        ("min-free-space", "min-free-space"),
    ):
        if options.given(flag):
            limits[name] = read_flag(f"--{flag}", options.text(flag), parse_size)
    return limits


def run_export(context: Context, options: Options, arguments: list[str]) -> int:
    """Write the build cache somewhere."""
    told = _move(context, options, "export", arguments[0])
    mounts = f" and {_count(told['Mounts'], 'cache mount')}" if options.switch("mounts") else ""
    context.out.line(
        f"Exported {_count(told['Records'], 'result')}{mounts}, {format_size(told['Sent'], 4)} written"
    )
    return 0


def run_import(context: Context, options: Options, arguments: list[str]) -> int:
    """Bring a build cache from somewhere."""
    told = _move(context, options, "import", arguments[0])
    mounts = f" and {_count(told['Mounts'], 'cache mount')}" if options.switch("mounts") else ""
    context.out.line(f"Imported {_count(told['Records'], 'result')}{mounts}")
    if told["Skipped"]:
        context.out.note(f"{_count(told['Skipped'], 'result')} left out: their base images are not here")
    return 0


def _move(context: Context, options: Options, way: str, place: str) -> Json:
    whole = place if place.startswith("docker://") else os.path.abspath(place)
    registries = CredentialStore(context.environ).header_for_all()
    fields = {"X-Registry-Config": registries} if registries else None
    return context.engine.images.move_build_cache(way, whole, mounts=options.switch("mounts"), fields=fields)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


_FILTER = several("filter", "Provide filter values", shows="filter")
_MOUNTS = switch("mounts", "With the files of the cache mounts")

DU = Command(
    "builder du",
    run=run_du,
    summary="Disk usage",
    usage="[OPTIONS]",
    flags=(
        _FILTER,
        text("format", 'Format the output ("table", "json")', default="table"),
        switch("verbose", "Shows detailed information"),
    ),
    arity=exactly(0),
)
PRUNE = Command(
    "builder prune",
    run=run_prune,
    summary="Remove build cache",
    usage="[OPTIONS]",
    flags=(
        FORCE_FLAG,
        several("filter", 'Provide filter values (e.g. "until=24h")', shows="filter"),
        switch("all", "Remove all unused build cache, not just dangling ones", short="a"),
        text("keep-storage", "Amount of disk space to keep for cache", shows="bytes"),
        text("reserved-space", "Amount of disk space always allowed to keep for cache", shows="bytes"),
        text("max-used-space", "Maximum amount of disk space allowed to keep for cache", shows="bytes"),
        text("min-free-space", "Target amount of free disk space after pruning", shows="bytes"),
    ),
    arity=exactly(0),
)
CACHE_EXPORT = Command(
    "builder cache export",
    run=run_export,
    summary="Write the build cache to a folder, a .tar file or a registry (docker://NAME)",
    usage="[OPTIONS] FOLDER | FILE.tar | docker://NAME",
    flags=(_MOUNTS,),
    arity=exactly(1),
)
CACHE_IMPORT = Command(
    "builder cache import",
    run=run_import,
    summary="Bring a build cache from a folder, a .tar file or a registry (docker://NAME)",
    usage="[OPTIONS] FOLDER | FILE.tar | docker://NAME",
    flags=(_MOUNTS,),
    arity=exactly(1),
)
