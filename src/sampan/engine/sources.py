# SPDX-License-Identifier: Apache-2.0
"""Which sources of bind mounts the shim has to open itself (pure; see `shim.sources`)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sampan.engine.model import MountPoint

SHARED = frozenset({"shared", "rshared"})


def plan_sources(
    points: Iterable[MountPoint], mounts: Iterable[dict[str, Any]], run_dir: str
) -> list[dict[str, Any]]:
    """The order's `sources`; their mounts of the runtime-spec are pointed at where the shim attaches them."""
    entries = {mount["destination"]: mount for mount in mounts}
    planned = []
    for number, point in enumerate(points):
        shared = point.type == "bind" and point.propagation in SHARED
        if not (shared or point.subpath):
            continue
        entry, at = entries[point.destination], f"{run_dir}/mounts/{number}"
        planned.append({"root": entry["source"], "path": point.subpath, "shared": shared, "at": at})
        entry["source"] = at
    return planned
