# SPDX-License-Identifier: Apache-2.0
"""What `idmap` without numbers means: whoever owns the source on the host is the container's user inside.

Only the shim can say so, for only the image's passwd knows the user's number. All other ids stay as they are, but
for the two that are taken: files of theirs show as nobody's, and nobody can become their owner.
"""

from __future__ import annotations

import os

from sampan.linux import mount
from sampan.runtime.idmap import plan_idmap
from sampan.shim.sources import attach_source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

IDS = 0xFFFFFFFF
"""How many ids there are: the last 32-bit number is none."""


def assign_id_maps(spec: dict[str, Any]) -> None:
    """Put mappings into the mounts of a runtime-spec that ask for them and have none."""
    user = spec["process"]["user"]
    for entry in spec["mounts"]:
        if "idmap" not in entry.get("options", ()) or entry.get("uidMappings"):
            continue
        owner = os.stat(entry["source"])
        entry["uidMappings"] = plan_id_map(owner.st_uid, user["uid"])
        entry["gidMappings"] = plan_id_map(owner.st_gid, user["gid"])


def apply_id_maps(spec: dict[str, Any], place: str) -> None:
    """Map ids here, below `place`, for a runtime that may not know how: an older runc passes over it in silence."""
    for number, entry in enumerate(spec["mounts"]):
        id_map = plan_idmap(entry, {})
        if id_map is None:
            continue
        tree = mount.open_tree(entry["source"], recursive="rbind" in entry["options"])
        id_map.apply(tree, entry["source"])
        entry["source"] = f"{place}/{number}"
        attach_source(tree, entry["source"])
        entry["options"] = [word for word in entry["options"] if word not in ("idmap", "ridmap")]
        del entry["uidMappings"], entry["gidMappings"]


def plan_id_map(on_disk: int, seen: int) -> list[dict[str, int]]:
    """Return mappings that show `on_disk` as `seen` and everybody else as themselves."""
    if on_disk == seen:
        return [_mapping(0, 0, IDS)]
    low, high = sorted((on_disk, seen))
    kept = ((0, low), (low + 1, high), (high + 1, IDS))
    return [
        _mapping(on_disk, seen, 1),
        *(_mapping(first, first, end - first) for first, end in kept if end > first),
    ]


def _mapping(on_disk: int, seen: int, size: int) -> dict[str, int]:
    return {"containerID": on_disk, "hostID": seen, "size": size}
