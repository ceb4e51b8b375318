# SPDX-License-Identifier: Apache-2.0
"""``sampan tag``: give an image one more name."""

from __future__ import annotations

from sampan.cli.command import Command, exactly
from sampan.client.images import split_name
from sampan.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options


def run(context: Context, _options: Options, arguments: list[str]) -> int:
    """Tag; nothing is printed."""
    source, target = arguments
    if "@" in target:
        raise InvalidArgument("refusing to create a tag with a digest reference")
    context.engine.images.tag(source, *split_name(target))
    return 0


COMMAND = Command(
    "image tag",
    "tag",
    run=run,
    summary="Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
    usage="SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
    arity=exactly(2),
)
