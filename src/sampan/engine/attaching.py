# SPDX-License-Identifier: Apache-2.0
"""Streams of clients that are attached to a container before it starts.

Holds: of those whose client has gone meanwhile at most one a container stays open, until the next comes, the start
or the removal.
"""

from __future__ import annotations

import os
import select

from sampan.engine.model import Attachment, Container


async def attach(container: Container, attachment: Attachment) -> None:
    """Give the stream to the running program, or keep it for the start; the descriptor is no longer the caller's."""
    is_kept = False
    try:
        async with container.lock:
            if container.shim is None:
                _keep(container, attachment)
                is_kept = True
            else:
                await container.shim.attach(attachment)
    finally:
        if not is_kept:
            os.close(attachment.fd)


def withdraw(container: Container, attachment: Attachment | None) -> None:
    """The client has gone: its stream waits for the start no longer."""
    if attachment in container.attachments:
        container.attachments.remove(attachment)
        os.close(attachment.fd)


def _keep(container: Container, attachment: Attachment) -> None:
    for other in [other for other in container.attachments if _has_gone(other.fd)]:
        withdraw(container, other)
    container.attachments.append(attachment)


def _has_gone(fd: int) -> bool:
    """Both directions are closed; who has only ended its input still wants the output."""
    poll = select.poll()
    poll.register(fd, 0)
    return any(events & (select.POLLHUP | select.POLLERR) for _, events in poll.poll(0))
