# SPDX-License-Identifier: Apache-2.0
"""``sampan import``: make an image of a filesystem's tar archive."""

from __future__ import annotations

from sampan.cli.archives import STDIN
from sampan.cli.command import Command, between
from sampan.cli.flags import several, text
from sampan.cli.messages import show_messages
from sampan.client.images import split_name
from sampan.client.pieces import iter_descriptor, iter_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from sampan.cli.context import Context
    from sampan.cli.options import Options

_URLS = ("http://", "https://")


def run(context: Context, options: Options, arguments: list[str]) -> int:
    """Send the archive, or the address where the engine finds it; print the image's id."""
    source, *names = arguments
    repository, tag = split_name(names[0]) if names else ("", "")
    body = _open_source(source)
    query = {
        "fromSrc": source if body is None else "-",
        "repo": repository or None,
        "tag": tag or None,
        "message": options.text("message") or None,
        "changes": options.several("change"),
        "platform": options.text("platform") or None,
    }
    show_messages(context.out, context.engine.images.import_tar(query, body).iter_json())
    return 0


def _open_source(source: str) -> Iterator[bytes] | None:
    if source == "-":
        return iter_descriptor(STDIN)
    return None if source.startswith(_URLS) else iter_file(source)


COMMAND = Command(
    "image import",
    "import",
    run=run,
    summary="Import the contents from a tarball to create a filesystem image",
    usage="[OPTIONS] file|URL|- [REPOSITORY[:TAG]]",
    arity=between(1, 2),
    flags=(
        several("change", "Apply Dockerfile instruction to the created image", short="c"),
        text("message", "Set commit message for imported image", short="m"),
        text("platform", "Set platform if server is multi-platform capable"),
    ),
)
