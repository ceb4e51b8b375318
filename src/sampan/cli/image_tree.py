# SPDX-License-Identifier: Apache-2.0
"""``images --tree``: each image with the images of its platforms below it."""

from __future__ import annotations

from sampan.cli.table import format_table
from sampan.cli.units import format_size
from sampan.cli.wording import short_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sampan.client.jsontext import Json

_HEAD = ("IMAGE", "ID", "DISK USAGE", "CONTENT SIZE", "USED")
_NAMELESS = "<untagged>"


def format_tree(images: Iterable[Json]) -> Iterator[str]:
    """The lines of the table."""
    rows: list[Sequence[str]] = [_HEAD]
    for image in images:
        rows += _rows(image)
    return (line.rstrip() for line in format_table(rows))


def _rows(image: Json) -> Iterator[Sequence[str]]:
    shown = [one for one in image.get("Manifests") or () if one.get("Kind") == "image"]
    here = [one for one in shown if one["Available"]]
    content = sum(one["Size"]["Content"] for one in here)
    disk = sum(one["Size"]["Total"] for one in here) or image.get("Size", 0)
    used = any(one["ImageData"]["Containers"] for one in here) or (image.get("Containers") or 0) > 0
    for name in image.get("RepoTags") or (_NAMELESS,):
        yield name, short_id(image["Id"]), format_size(disk), format_size(content), "yes" if used else ""
    if len(shown) > 1:
        for position, one in enumerate(shown):
            yield _platform_row(one, "└─" if position + 1 == len(shown) else "├─")


def _platform_row(manifest: Json, branch: str) -> Sequence[str]:
    platform = manifest["ImageData"]["Platform"]
    words = (platform.get(key) for key in ("os", "architecture", "variant"))
    name = "/".join(word for word in words if word)
    used = "yes" if manifest["ImageData"]["Containers"] else ""
    size = manifest["Size"]
    return (
        f"{branch} {name}",
        short_id(manifest["ID"]),
        format_size(size["Total"]),
        format_size(size["Content"]),
        used,
    )
