# SPDX-License-Identifier: Apache-2.0
"""Pull an image through the engine, and show how a transfer goes on."""

from __future__ import annotations

import os

from sampan.cli.messages import raise_error
from sampan.cli.output import STDERR, STDOUT
from sampan.client.credentials import CredentialStore
from sampan.client.images import split_reference as split_reference  # noqa: PLC0414 - also for those who pull

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from sampan.cli.context import Context
    from sampan.client.answer import Answer

_TRANSFERS = frozenset(("Downloading", "Extracting", "Pushing", "Waiting", "Verifying Checksum"))


def pull_image(
    context: Context,
    name: str,
    *,
    platform: str = "",
    quiet: bool = False,
    to_stderr: bool = False,
    all_tags: bool = False,
) -> None:
    """Ask the engine for it; its error is raised as it words it."""
    repository, tag = (name, "") if all_tags else split_reference(name)
    credentials = CredentialStore(context.environ).header_for(name)
    answer = context.engine.images.pull(repository, tag, platform=platform, credentials=credentials)
    show_transfer(context, answer, quiet=quiet, to_stderr=to_stderr)


def show_transfer(context: Context, answer: Answer, *, quiet: bool, to_stderr: bool = False) -> None:
    """A pull or push to its end: bars on a terminal, lines elsewhere, nothing when quiet."""
    descriptor = STDERR if to_stderr else STDOUT
    if not quiet and os.isatty(descriptor):
        return _draw(context, answer, descriptor)
    say = context.out.note if to_stderr else context.out.line
    for line in iter_progress(answer):
        if not quiet:
            say(line)
            context.out.flush()
    return None


def _draw(context: Context, answer: Answer, descriptor: int) -> None:
    from sampan.cli.transfer_bars import TransferBars

    context.out.flush()
    bars = TransferBars(descriptor)
    try:
        for message in answer.iter_json():
            raise_error(message)
            bars.message(message)
    finally:
        bars.close()


def iter_progress(answer: Answer) -> Iterator[str]:
    """One line a step; transfers, which a terminal would show as bars, are left out."""
    for message in answer.iter_json():
        raise_error(message)
        status = message.get("status", "")
        if not status or status in _TRANSFERS:
            continue
        yield f"{message['id']}: {status}" if message.get("id") else status
