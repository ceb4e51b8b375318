# SPDX-License-Identifier: Apache-2.0
"""Mounting a container's root file system in the maker's own mount namespace, where nobody else sees it."""

from __future__ import annotations

import os

from sampan.linux.mount import MS_BIND, MS_REC, mount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


def mount_rootfs(rootfs: dict[str, Any], target: str) -> None:
    """Mount what the order describes at `target`, which is made if need be."""
    os.makedirs(target, mode=0o755, exist_ok=True)
    if rootfs["type"] == "bind":
        mount(rootfs["source"], target, None, MS_BIND | MS_REC)
        return
    base, options = plan_overlay(
        rootfs["lower"], rootfs.get("upper"), rootfs.get("work"), rootfs.get("options") or ()
    )
    os.chdir(base)
    try:
        mount("overlay", target, "overlay", 0, options)
    finally:
        os.chdir("/")


def plan_overlay(
    lower: Sequence[str], upper: str | None, work: str | None, options: Sequence[str] = ()
) -> tuple[str, str]:
    """Return a directory and mount options relative to it: the kernel takes no more than a page of them.

    The shortest names for a hundred layers are those from the directory that all have in common.
    """
    paths = [*lower, upper, work] if upper and work else list(lower)
    base = os.path.commonpath([os.path.dirname(path) for path in paths if path])
    relative = [_escape(os.path.relpath(path, base)) for path in paths if path]
    count = len(lower)
    words = [f"lowerdir={':'.join(relative[:count])}"]
    if upper and work:
        words += [f"upperdir={relative[count]}", f"workdir={relative[count + 1]}"]
    return base, ",".join([*words, *options])


def _escape(path: str) -> str:
    """Quote what separates options and layers."""
    return path.replace("\\", "\\\\").replace(",", "\\,").replace(":", "\\:")
