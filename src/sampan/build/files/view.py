# SPDX-License-Identifier: Apache-2.0
"""A stack of snapshot directories as one read-only tree, without a mount that anybody else sees.

The kernel knows best what whiteouts and opaque folders mean, so the view is an overlay mount: made by a thread
in a mount namespace of its own and detached at once. What is left is a descriptor, and the mount ends with it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sampan.linux.mount import MNT_DETACH, MS_PRIVATE, MS_RDONLY, MS_REC, mount, umount
from sampan.linux.namespace import CLONE_NEWNS, unshare
from sampan.snapshot.model import Mount

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@contextmanager
def open_view(lowers: tuple[str, ...], empty: str) -> Iterator[int]:
    """The merged tree of these directories, the uppermost first, as a descriptor; `empty` stands in for none."""
    fd = (
        _open_merged(lowers, empty)
        if len(lowers) > 1
        else os.open(lowers[0] if lowers else empty, _DIRECTORY)
    )
    try:
        yield fd
    finally:
        os.close(fd)


def _open_merged(lowers: tuple[str, ...], target: str) -> int:
    """Mount in a thread that leaves the engine's mount namespace for good."""
    opened: list[int] = []
    failed: list[BaseException] = []
    root = os.path.dirname(os.path.dirname(lowers[0]))

    def run() -> None:
        try:
            unshare(CLONE_NEWNS)
            mount(None, "/", None, MS_REC | MS_PRIVATE)
            # Relative to the store, the options of 127 layers fit in the one page that mount(2) takes.
            os.chdir(root)
            mount("overlay", target, "overlay", MS_RDONLY, Mount("overlay", lowers).overlay_options(root))
            opened.append(os.open(target, _DIRECTORY))
            umount(target, MNT_DETACH)
        except BaseException as error:  # noqa: BLE001 - handed to the thread that asked
            failed.append(error)

    # Not a pooled thread: this one can never come back to the other threads' namespace.
    thread = threading.Thread(target=run, name="overlay-view")
    thread.start()
    thread.join()
    if failed:
        for fd in opened:
            os.close(fd)
        raise failed[0]
    return opened[0]
