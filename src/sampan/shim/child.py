# SPDX-License-Identifier: Apache-2.0
"""Doing something heavy in a forked child: what it allocates is gone with it, and the shim stays small."""

from __future__ import annotations

import os

from sampan.errors import Internal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_MESSAGE_BYTES = 4096


def run_in_child(what: str, action: Callable[[], object]) -> None:
    """Run `action` in a child process and wait; if it raises, so does this, with its message."""
    reader, writer = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        _run(action, writer)
    os.close(writer)
    try:
        message = os.read(reader, _MESSAGE_BYTES).decode()
    finally:
        os.close(reader)
        _, status = os.waitpid(pid, 0)
    if message or status:
        raise Internal(f"{what}: {message or f'ended with status {status}'}")


def _run(action: Callable[[], object], writer: int) -> None:
    status = 1
    try:
        action()
        status = 0
    except BaseException as error:  # noqa: BLE001 - told to the parent, whatever it is
        os.write(writer, str(error).encode()[:_MESSAGE_BYTES])
    finally:
        os._exit(status)
