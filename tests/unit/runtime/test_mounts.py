# SPDX-License-Identifier: Apache-2.0
"""The plan of a root, compared as data: no mount is made here."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.errors import InvalidArgument
from sampan.linux import mount as m
from sampan.linux.cgroup import Cgroup, Hierarchy
from sampan.runtime.idmap import plan_idmap
from sampan.runtime.mounts import plan_mounts, plan_root
from sampan.runtime.options import ATTRIBUTES, PROPAGATION, parse_mount_options
from sampan.runtime.steps import Bind

V1 = Cgroup(
    "/sampan/x",
    (
        Hierarchy(1, "/sys/fs/cgroup/memory", ("memory",)),
        Hierarchy(1, "/sys/fs/cgroup/cpu,cpuacct", ("cpu", "cpuacct")),
    ),
)
V2 = Cgroup("/sampan/x", (Hierarchy(2, "/sys/fs/cgroup", ()),))
CGROUP_MOUNT = {
    "destination": "/sys/fs/cgroup",
    "type": "cgroup",
    "source": "cgroup",
    "options": ["ro", "nosuid"],
}


def describe(spec: dict[str, Any], cgroup: Cgroup = V2) -> list[str]:
    return [step.describe() for step in plan_mounts(spec, "/bundle", cgroup)]


def test_mounts_keep_the_configs_order_and_relative_sources_are_the_bundles() -> None:
    spec = {
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/data", "type": "none", "source": "data", "options": ["rbind", "ro"]},
            {"destination": "/data", "options": ["remount", "rw"]},
        ]
    }
    assert describe(spec) == [
        "mount proc at /proc ()",
        "rbind /bundle/data at /data read-only",
        "change attributes of the mount at /data",
    ]


def test_v1_groups_are_a_directory_each_in_a_tmpfs_that_ends_read_only() -> None:
    assert describe({"mounts": [CGROUP_MOUNT]}, V1) == [
        "mount tmpfs at /sys/fs/cgroup (mode=755)",
        "bind /sys/fs/cgroup/memory/sampan/x at /sys/fs/cgroup/memory read-only",
        "bind /sys/fs/cgroup/cpu,cpuacct/sampan/x at /sys/fs/cgroup/cpu,cpuacct read-only",
        "link /sys/fs/cgroup/cpu to cpu,cpuacct",
        "link /sys/fs/cgroup/cpuacct to cpu,cpuacct",
        "change attributes of the mount at /sys/fs/cgroup",
    ]


def test_the_v2_group_is_the_containers_own_with_a_namespace_and_all_without() -> None:
    private = {"mounts": [CGROUP_MOUNT], "linux": {"namespaces": [{"type": "cgroup"}]}}
    assert describe(private) == ["bind /sys/fs/cgroup/sampan/x at /sys/fs/cgroup read-only"]
    assert describe({"mounts": [CGROUP_MOUNT]}) == ["bind /sys/fs/cgroup at /sys/fs/cgroup read-only"]


def test_a_machine_without_groups_gets_no_mount_of_them() -> None:
    assert describe({"mounts": [CGROUP_MOUNT]}, Cgroup("/x", ())) == []


def test_masks_come_last_and_devices_after_the_mounts() -> None:
    spec = {
        "mounts": [{"destination": "/dev", "type": "tmpfs", "source": "tmpfs"}],
        "linux": {"maskedPaths": ["/proc/kcore"], "readonlyPaths": ["/proc/sys"]},
    }
    plan = [step.describe() for step in plan_root(spec, "/bundle", V2)]
    assert plan[0] == "mount tmpfs at /dev ()"
    assert plan[1] == "make device /dev/null 1:3"
    assert plan[-2:] == ["make /proc/sys read-only", "mask /proc/kcore"]


def test_a_bound_dev_gets_no_devices_and_a_user_namespace_binds_them() -> None:
    bound = {"mounts": [{"destination": "/dev", "type": "bind", "source": "/dev", "options": ["rbind"]}]}
    assert [step.describe() for step in plan_root(bound, "/b", V2)] == ["rbind /dev at /dev"]
    user = {"linux": {"namespaces": [{"type": "user"}]}}
    assert plan_root(user, "/b", V2)[0].describe() == "bind device /dev/null 1:3"


def test_an_unknown_device_type_is_refused() -> None:
    with pytest.raises(InvalidArgument, match='device /dev/x: unknown type "z"'):
        plan_root({"linux": {"devices": [{"path": "/dev/x", "type": "z"}]}}, "/b", V2)


def test_a_bind_is_a_slave_of_the_host_unless_told() -> None:
    (step,) = plan_mounts({"mounts": [{"destination": "/a", "source": "/a", "options": ["bind"]}]}, "/b", V2)
    assert isinstance(step, Bind)
    assert step.options.propagation == 0


@pytest.mark.parametrize(
    ("options", "on", "off"),
    [
        (["ro"], m.MOUNT_ATTR_RDONLY, 0),
        (["ro", "rw"], 0, m.MOUNT_ATTR_RDONLY),
        (["noatime", "relatime"], 0, m.MOUNT_ATTR_ATIME),
        (["strictatime", "nosuid"], m.MOUNT_ATTR_STRICTATIME | m.MOUNT_ATTR_NOSUID, m.MOUNT_ATTR_ATIME),
    ],
)
def test_of_two_options_the_later_wins(options: list[str], on: int, off: int) -> None:
    parsed = parse_mount_options(options)
    assert (parsed.on, parsed.off & ~on) == (on, off & ~on)


def test_options_of_the_file_system_are_left_to_it() -> None:
    parsed = parse_mount_options(["rslave", "size=64k", "nosuid", "mode=755", "defaults", "tmpcopyup"])
    assert parsed.data == ("size=64k", "mode=755")
    assert (parsed.propagation, parsed.propagation_recursive, parsed.copy_up) == (m.MS_SLAVE, True, True)


def test_recursive_options_are_kept_apart() -> None:
    parsed = parse_mount_options(["rbind", "rro"])
    assert (parsed.on, parsed.recursive_on, parsed.read_only) == (0, m.MOUNT_ATTR_RDONLY, True)


def id_map_of(
    entry: dict[str, object], linux: dict[str, object] | None = None
) -> tuple[str, str, bool] | None:
    planned = plan_idmap({"destination": "/x", **entry}, linux or {})
    return (planned.uids, planned.gids, planned.recursive) if planned else None


def test_id_maps_come_from_the_mount_or_the_containers_namespace() -> None:
    own = [{"containerID": 0, "hostID": 1000, "size": 1}, {"containerID": 1, "hostID": 1, "size": 9}]
    outer = [{"containerID": 0, "hostID": 5, "size": 7}]
    assert id_map_of({"options": ["rbind"]}) is None
    assert id_map_of({"options": ["idmap"], "uidMappings": own, "gidMappings": outer}) == (
        "0 1000 1\n1 1 9\n",
        "0 5 7\n",
        False,
    )
    linux = {"uidMappings": outer, "gidMappings": outer}
    assert id_map_of({"options": ["ridmap"]}, linux) == ("0 5 7\n", "0 5 7\n", True)
    for entry in ({"options": ["idmap"]}, {"uidMappings": own}):
        with pytest.raises(InvalidArgument, match="idmap needs uidMappings and gidMappings"):
            id_map_of(entry)


def test_idmap_is_no_option_of_the_file_system() -> None:
    assert parse_mount_options(["idmap", "ridmap"]).data == ()


@given(st.lists(st.sampled_from([*ATTRIBUTES, *PROPAGATION, *(f"r{o}" for o in ATTRIBUTES)])))
def test_known_options_never_reach_the_file_system(options: list[str]) -> None:
    parsed = parse_mount_options(options)
    assert parsed.data == ()
    assert parsed.on & parsed.off & ~m.MOUNT_ATTR_ATIME == 0
