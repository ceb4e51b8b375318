# SPDX-License-Identifier: Apache-2.0
"""``sampan images``: list images, a row for each of their names."""

from __future__ import annotations

from sampan.cli.command import Command, at_most
from sampan.cli.filters import filter_flag, parse_filters
from sampan.cli.flags import switch
from sampan.cli.listing import FORMAT_FLAG, Listing
from sampan.cli.units import format_ago, format_size, format_time
from sampan.cli.wording import short_id
from sampan.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.client.jsontext import Json

NONE = "<none>"
_NEVER = -62135596800  # Go's zero time, 1 January of the year 1
_COLUMNS = ("Repository", "Tag", "ID", "CreatedSince", "Size")
_COLUMNS_WITH_DIGEST = ("Repository", "Tag", "Digest", "ID", "CreatedSince", "Size")


class ImageRow:
    """One image under one of its names."""

    __slots__ = ("digest", "image", "repository", "tag")

    def __init__(self, image: Json, repository: str, tag: str, digest: str) -> None:
        self.image = image
        self.repository = repository
        self.tag = tag
        self.digest = digest


def run(context: Context, options: Options, arguments: list[str]) -> int:
    """List what the engine has, newest first."""
    filters = parse_filters(options.several("filter"))
    if arguments:
        filters.setdefault("reference", []).append(arguments[0])
    if options.switch("tree"):
        return show_tree(context, options, filters)
    template = options.text("format")
    digests = options.switch("digests") or "{{.Digest}}" in template
    images = context.engine.images.list(every=options.switch("all"), digests=digests, filters=filters)
    rows = sorted(images, key=lambda image: -image.get("Created", 0))
    listing_of(full=options.switch("no-trunc")).show(
        context.out,
        [row for image in rows for row in iter_rows(image, digests=digests)],
        template=template,
        default=_COLUMNS_WITH_DIGEST if digests else _COLUMNS,
        quiet="ID" if options.switch("quiet") else "",
    )
    return 0


def show_tree(context: Context, options: Options, filters: dict[str, list[str]]) -> int:
    """Each image, and below it its platforms; those that are not here have no size."""
    from sampan.cli.image_tree import format_tree

    if options.switch("quiet") or options.switch("no-trunc") or options.text("format"):
        raise InvalidArgument("--quiet, --no-trunc and --format cannot be used with --tree")
    images = context.engine.images.list(every=options.switch("all"), manifests=True, filters=filters)
    for line in format_tree(sorted(images, key=lambda image: -image.get("Created", 0))):
        context.out.line(line)
    return 0


def iter_rows(image: Json, *, digests: bool) -> Iterator[ImageRow]:
    """A row a name; with digests, a row a digest of the same repository, as docker pairs them."""
    tags = _by_repository(image.get("RepoTags") or (), ":")
    known = _by_repository(image.get("RepoDigests") or (), "@")
    if not tags and not known:
        yield ImageRow(image, NONE, NONE, NONE)
    for repository, names in tags.items():
        mine = known.pop(repository, [])
        for tag in names:
            for digest in (mine if digests else []) or [NONE]:
                yield ImageRow(image, repository, tag, digest)
    for repository, rest in known.items():
        for digest in rest if digests else [NONE]:
            yield ImageRow(image, repository, NONE, digest)


def _by_repository(names: Iterable[str], separator: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in names:
        repository, _, rest = name.rpartition(separator)
        if repository and repository != NONE:
            found.setdefault(repository, []).append(rest)
    return found


def listing_of(*, full: bool) -> Listing:
    """The columns; `full` shows ids with their algorithm, uncut."""
    return Listing(
        "*formatter.imageContext",
        {
            "ID": ("IMAGE ID", lambda row: row.image["Id"] if full else short_id(row.image["Id"])),
            "Repository": ("REPOSITORY", lambda row: row.repository),
            "Tag": ("TAG", lambda row: row.tag),
            "Digest": ("DIGEST", lambda row: row.digest),
            "CreatedSince": ("CREATED", _created_since),
            "CreatedAt": ("CREATED AT", lambda row: format_time(row.image.get("Created", 0))),
            "Size": ("SIZE", lambda row: format_size(row.image.get("Size", 0))),
            "Containers": ("CONTAINERS", lambda row: _known(row.image.get("Containers", -1))),
            "VirtualSize": ("SIZE", lambda row: format_size(row.image.get("Size", 0), 4)),
            "SharedSize": ("SHARED SIZE", lambda row: _known_size(row.image.get("SharedSize", -1))),
            "UniqueSize": ("UNIQUE SIZE", _unique_size),
        },
    )


def _created_since(row: ImageRow) -> str:
    created = row.image.get("Created", 0)
    return format_ago(created) if created != _NEVER else "N/A"


def _known(count: int) -> str:
    return "N/A" if count == -1 else str(count)


def _known_size(size: int) -> str:
    return "N/A" if size == -1 else format_size(size)


def _unique_size(row: ImageRow) -> str:
    shared = row.image.get("SharedSize", -1)
    return "N/A" if shared == -1 else format_size(row.image.get("Size", 0) - shared)


COMMAND = Command(
    "image ls",
    "image list",
    "images",
    run=run,
    summary="List images",
    usage="[OPTIONS] [REPOSITORY[:TAG]]",
    arity=at_most(1),
    flags=(
        switch("all", "Show all images (default hides intermediate images)", short="a"),
        switch("digests", "Show digests"),
        filter_flag(),
        FORMAT_FLAG,
        switch("no-trunc", "Don't truncate output"),
        switch("quiet", "Only show image IDs", short="q"),
        switch("tree", "List multi-platform images as a tree"),
    ),
)
