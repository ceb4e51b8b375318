# SPDX-License-Identifier: Apache-2.0
"""Whether overlayfs can be used below a directory: the only sure way to know is to try.

The trial mount is made by a thread in a mount namespace of its own, which ends with it: nothing is ever
mounted where others could see it, and nothing needs to be cleaned up.
"""

from __future__ import annotations

import os
import threading
from secrets import token_hex

from sampan.linux.mount import MS_PRIVATE, MS_REC, mount
from sampan.linux.namespace import CLONE_NEWNS, unshare
from sampan.linux.tree import remove_tree
from sampan.snapshot.driver import CopyDriver, Driver, OverlayDriver


def choose_driver(root: str) -> Driver:
    """The driver for snapshots below `root`, an existing directory: overlay wherever that works."""
    return OverlayDriver() if is_overlay_available(root) else CopyDriver()


def is_overlay_available(root: str) -> bool:
    """Whether the kernel mounts an overlay whose layers are below `root`."""
    place = f"{root}/.new-probe-{token_hex(8)}"
    failures: list[OSError] = []
    os.mkdir(place, 0o700)
    try:
        trial = threading.Thread(target=_try_mount, args=(place, failures))
        trial.start()
        trial.join()
    finally:
        remove_tree(place)
    return not failures


def _try_mount(place: str, failures: list[OSError]) -> None:
    for name in ("lower", "upper", "work", "merged"):
        os.mkdir(f"{place}/{name}")
    options = f"lowerdir={place}/lower,upperdir={place}/upper,workdir={place}/work"
    try:
        unshare(CLONE_NEWNS)
        mount(None, "/", None, MS_REC | MS_PRIVATE)
        mount("overlay", f"{place}/merged", "overlay", 0, options)
    except OSError as error:
        failures.append(error)
