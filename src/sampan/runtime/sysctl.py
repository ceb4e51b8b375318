# SPDX-License-Identifier: Apache-2.0
"""Kernel parameters of the container's own namespaces (runtime-spec: linux.sysctl).

They are written through a procfs instance that is mounted nowhere, so what the image or another container has
put over /proc/sys cannot redirect the write (CVE-2025-52881).
"""

from __future__ import annotations

import os

from sampan.linux.mount import create_mount
from sampan.linux.resolve import RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS, RESOLVE_NO_XDEV, openat2

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def write_sysctls(values: Mapping[str, str]) -> None:
    """Write each `a.b.c` to /proc/sys/a/b/c."""
    if not values:
        return
    tree = create_mount("proc")
    try:
        for name, value in values.items():
            _write(tree, sysctl_path(name), value)
    finally:
        os.close(tree)


def sysctl_path(name: str) -> str:
    """Return the path below /proc: dots separate, and a slash stands for a dot in a name (sysctl(8))."""
    if "/" in name:
        return "sys/" + (name if "." not in name.partition("/")[0] else _swap(name))
    return "sys/" + name.replace(".", "/")


def _swap(name: str) -> str:
    return name.translate({ord("."): "/", ord("/"): "."})


def _write(tree: int, path: str, value: str) -> None:
    resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV
    fd = openat2(tree, path, os.O_WRONLY, resolve=resolve)
    try:
        os.write(fd, value.encode())
    except OSError as error:
        raise OSError(error.errno, error.strerror, f"/proc/{path}") from None
    finally:
        os.close(fd)
