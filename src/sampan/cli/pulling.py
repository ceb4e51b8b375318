# SPDX-License-Identifier: Apache-2.0
"""Pull an image through the engine and show its progress lines, as docker does where there is no terminal."""

from __future__ import annotations

from sampan.cli.messages import raise_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from sampan.cli.context import Context
    from sampan.client.answer import Answer

_TRANSFERS = frozenset(("Downloading", "Extracting", "Waiting", "Verifying Checksum"))


def split_reference(name: str) -> tuple[str, str]:
    """Repository and tag (or digest) of an image's name, as ``/images/create`` wants them."""
    repository, at, digest = name.partition("@")
    if at:
        return repository, digest
    last = name.rpartition("/")[2]
    if ":" in last:
        tag = last.partition(":")[2]
        return name[: -len(tag) - 1], tag
    return name, "latest"


def pull_image(
    context: Context, name: str, *, platform: str = "", quiet: bool = False, to_stderr: bool = False
) -> None:
    """Ask the engine for it; its error is raised as it words it."""
    repository, tag = split_reference(name)
    answer = context.engine.images.pull(repository, tag, platform=platform)
    say = context.out.note if to_stderr else context.out.line
    for line in iter_progress(answer):
        if not quiet:
            say(line)


def iter_progress(answer: Answer) -> Iterator[str]:
    """One line a step; transfers, which a terminal would show as bars, are left out."""
    for message in answer.iter_json():
        raise_error(message)
        status = message.get("status", "")
        if not status or status in _TRANSFERS:
            continue
        yield f"{message['id']}: {status}" if message.get("id") else status
