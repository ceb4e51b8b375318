# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.shim.idmap import IDS, assign_id_maps, plan_id_map
from sampan.shim.sources import find_mount

MOUNTS = [
    "20 1 8:1 / / rw,relatime - ext4 /dev/a rw\n",
    "21 20 8:2 / /srv rw shared:7 - ext4 /dev/b rw\n",
    "22 21 8:3 / /srv/with\\040space rw shared:8 master:7 - ext4 /dev/c rw\n",
    "23 20 8:4 / /mnt rw master:3 - ext4 /dev/d rw\n",
    "24 20 8:5 / /mnt rw shared:9 - ext4 /dev/e rw\n",
]


@pytest.mark.parametrize(
    ("path", "place", "shared"),
    [
        ("/etc", "/", False),
        ("/srv", "/srv", True),
        ("/srv/a/b", "/srv", True),
        ("/srvother", "/", False),
        ("/srv/with space/x", "/srv/with space", True),
        ("/mnt/x", "/mnt", True),  # the last of several at one place is the one that is seen
    ],
)
def test_the_mount_that_a_path_is_in(path, place, shared):
    assert find_mount(path, MOUNTS) == (place, shared)


ids = st.integers(0, IDS - 1)


@given(ids, ids)
def test_an_id_map_moves_the_owner_and_nobody_twice(on_disk, seen):
    mappings = plan_id_map(on_disk, seen)
    moved = [m for m in mappings if m["containerID"] <= on_disk < m["containerID"] + m["size"]]
    assert len(moved) == 1
    assert moved[0]["hostID"] + on_disk - moved[0]["containerID"] == seen
    for side in ("containerID", "hostID"):
        ranges = sorted((m[side], m[side] + m["size"]) for m in mappings)
        assert all(end <= start for (_, end), (start, _) in pairwise(ranges))
        assert ranges[-1][1] <= IDS


def test_mappings_given_are_kept(tmp_path):
    own = [{"containerID": 0, "hostID": 5, "size": 1}]
    spec = {
        "process": {"user": {"uid": 7, "gid": 8}},
        "mounts": [
            {"options": ["idmap"], "source": str(tmp_path), "uidMappings": own, "gidMappings": own},
            {"options": ["idmap"], "source": str(tmp_path)},
            {"options": ["rbind"], "source": "/nowhere"},
        ],
    }
    assign_id_maps(spec)
    first, second, third = spec["mounts"]
    assert first["uidMappings"] is own
    assert second["uidMappings"] == plan_id_map(tmp_path.stat().st_uid, 7)
    assert second["gidMappings"] == plan_id_map(tmp_path.stat().st_gid, 8)
    assert "uidMappings" not in third
