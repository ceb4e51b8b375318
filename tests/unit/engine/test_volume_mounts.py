# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sampan.engine.idmap import parse_id_maps, read_idmap
from sampan.engine.model import MountPoint
from sampan.engine.mounts import parse_bind, plan_mount
from sampan.engine.sources import plan_sources
from sampan.engine.spec import plan_mount_point
from sampan.engine.volume_options import apply_driver_options, check_driver_options
from sampan.errors import InvalidArgument, SampanError
from sampan.schema.container import BindOptions, DriverConfig, Mount, VolumeOptions


def volume(**changes: object) -> MountPoint:
    return MountPoint(type="volume", source="/v/_data", destination="/data", name="vol", **changes)


def test_a_plain_volume_is_its_folder():
    entry = plan_mount_point(volume())
    assert (entry["type"], entry["source"], entry["options"]) == (
        "bind",
        "/v/_data",
        ["rbind", "rw", "rprivate"],
    )


def test_driver_options_say_what_is_mounted_instead():
    point = volume(copy_up=True)
    apply_driver_options(point, {"type": "tmpfs", "device": "tmpfs", "o": "size=1m,noexec"})
    assert plan_mount_point(point) == {
        "destination": "/data",
        "type": "tmpfs",
        "source": "tmpfs",
        "options": ["size=1m", "noexec", "tmpcopyup"],
    }
    apply_driver_options(point, {"type": "tmpfs", "device": "tmpfs", "o": "uid=7"})
    assert plan_mount_point(point)["options"] == ["uid=7"]


def test_nfs_keeps_its_options_for_the_kernel():
    point = volume(rw=False)
    apply_driver_options(point, {"type": "nfs", "device": ":/export", "o": "addr=10.0.0.1,nfsvers=4"})
    entry = plan_mount_point(point)
    assert (entry["type"], entry["source"]) == ("nfs", ":/export")
    assert entry["options"] == ["addr=10.0.0.1", "nfsvers=4", "ro"]


@pytest.mark.parametrize(("o", "bind"), [("bind", "bind"), ("rbind,nosuid", "rbind")])
def test_a_folder_of_the_host_as_a_volume(o, bind):
    point = volume()
    apply_driver_options(point, {"type": "none", "device": "/srv", "o": o})
    entry = plan_mount_point(point)
    assert (entry["type"], entry["source"], entry["options"][0]) == ("bind", "/srv", bind)


@pytest.mark.parametrize(
    "options",
    [
        {"type": "tmpfs"},
        {"device": "x"},
        {"o": "ro"},
        {"x": "y"},
        {"size": "1g"},
        {"type": "none", "device": "/x"},
    ],
)
def test_incomplete_driver_options_are_refused(options):
    with pytest.raises(SampanError):
        check_driver_options("v", options)


def test_a_subpath_needs_a_folder():
    with pytest.raises(InvalidArgument, match="volume-subpath"):
        apply_driver_options(volume(subpath="a"), {"type": "tmpfs", "device": "tmpfs"})


def test_the_long_form_makes_the_volume_with_labels_and_options():
    options = VolumeOptions(
        labels={"a": "b"}, driver_config=DriverConfig("local", {"type": "tmpfs"}), subpath="x/y"
    )
    point = plan_mount(Mount(type="volume", source="vol", target="/d", volume_options=options), lambda: "")
    assert (point.new_labels, point.new_options) == ({"a": "b"}, {"type": "tmpfs"})
    assert (point.subpath, point.copy_up) == ("x/y", False)


@pytest.mark.parametrize("subpath", ["/a", "../a", "a/../../b"])
def test_a_subpath_stays_below(subpath):
    with pytest.raises(InvalidArgument, match="subpath must be a relative path"):
        plan_mount(
            Mount(type="volume", target="/d", volume_options=VolumeOptions(subpath=subpath)), lambda: "vol"
        )


def bind(**options: object) -> MountPoint:
    read_only = bool(options.pop("read_only", False))
    mount = Mount(
        type="bind", source="/s", target="/d", read_only=read_only, bind_options=BindOptions(**options)
    )
    return plan_mount(mount, lambda: "")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, ["rbind", "rw"]),
        ({"non_recursive": True}, ["bind", "rw"]),
        ({"read_only": True}, ["rbind", "rro"]),
        ({"read_only": True, "read_only_non_recursive": True}, ["rbind", "ro"]),
        ({"read_only": True, "non_recursive": True}, ["bind", "ro"]),
        ({"id_map": "auto"}, ["rbind", "rw", "rprivate", "idmap"]),
    ],
)
def test_options_of_binds(options, words):
    assert plan_mount_point(bind(**options))["options"][: len(words)] == words


@pytest.mark.parametrize(
    "options",
    [
        {"read_only_non_recursive": True},
        {"read_only_force_recursive": True},
        {"read_only": True, "read_only_force_recursive": True, "non_recursive": True},
        {"propagation": "sideways"},
    ],
)
def test_contradicting_options_of_binds_are_refused(options):
    with pytest.raises(InvalidArgument):
        bind(**options)


def test_idmap_in_the_short_form():
    assert parse_bind("/s:/d:ro,idmap").id_map == "auto"
    point = parse_bind("/s:/d:idmap=uids=0-1-2#5-6-7;gids=8-9-10")
    entry = plan_mount_point(point)
    assert entry["uidMappings"] == [
        {"containerID": 0, "hostID": 1, "size": 2},
        {"containerID": 5, "hostID": 6, "size": 7},
    ]
    assert entry["gidMappings"] == [{"containerID": 8, "hostID": 9, "size": 10}]
    with pytest.raises(InvalidArgument):
        parse_bind("vol:/d:idmap")


@pytest.mark.parametrize(
    "text", ["uids=0-1-1", "uids=0-1;gids=0-1-1", "uids=0-1-0;gids=0-1-1", "x", "uids=a-b-c;gids=0-0-1"]
)
def test_wrong_numbers_for_idmap(text):
    with pytest.raises(InvalidArgument):
        parse_id_maps(text)
    with pytest.raises(InvalidArgument):
        read_idmap(f"idmap={text}")


def test_the_shim_opens_subpaths_and_shared_sources():
    points = [
        volume(subpath="a/b"),
        MountPoint(type="bind", source="/host", destination="/shared", propagation="rshared"),
        MountPoint(type="bind", source="/other", destination="/plain", propagation="rslave"),
    ]
    mounts = [plan_mount_point(point) for point in points]
    assert plan_sources(points, mounts, "/run/c") == [
        {"root": "/v/_data", "path": "a/b", "shared": False, "at": "/run/c/mounts/0"},
        {"root": "/host", "path": "", "shared": True, "at": "/run/c/mounts/1"},
    ]
    assert [mount["source"] for mount in mounts] == ["/run/c/mounts/0", "/run/c/mounts/1", "/other"]
