# SPDX-License-Identifier: Apache-2.0
"""Facts of this machine that specs depend on, read once when the engine starts."""

from __future__ import annotations

import os
import stat
from typing import Any

from sampan.engine.spec import Host
from sampan.linux.capability import names_of, read_sets

NOT_FOR_CONTAINERS = frozenset(
    {"/dev/pts", "/dev/shm", "/dev/mqueue", "/dev/fd", "/dev/console", "/dev/core"}
)
MADE_BY_RUNTIME = frozenset(
    "/dev/" + name for name in ["null", "zero", "full", "random", "urandom", "tty", "ptmx"]
)


def read_host() -> Host:
    """Capabilities this process may pass on, and the device nodes for privileged containers."""
    _, permitted, _ = read_sets()
    return Host(capabilities=tuple(names_of(permitted)), devices=tuple(_device_nodes("/dev")))


def _device_nodes(folder: str) -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = []
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.path):
        if entry.path in NOT_FOR_CONTAINERS or entry.path in MADE_BY_RUNTIME:
            continue
        status = entry.stat(follow_symlinks=False)
        if entry.is_dir(follow_symlinks=False):
            nodes += _device_nodes(entry.path)
        elif stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
            nodes.append(_describe_node(entry.path, status))
    return nodes


def _describe_node(path: str, status: os.stat_result) -> dict[str, Any]:
    return {
        "path": path,
        "type": "c" if stat.S_ISCHR(status.st_mode) else "b",
        "major": os.major(status.st_rdev),
        "minor": os.minor(status.st_rdev),
        "fileMode": stat.S_IMODE(status.st_mode),
        "uid": status.st_uid,
        "gid": status.st_gid,
    }
