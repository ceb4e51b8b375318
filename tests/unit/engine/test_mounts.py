# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools

import pytest

from sampan.engine.mounts import parse_bind, plan_mount_points
from sampan.errors import InvalidArgument
from sampan.schema.container import (
    BindOptions,
    ContainerConfig,
    HostConfig,
    Mount,
    TmpfsOptions,
    VolumeOptions,
)


def plan(config: ContainerConfig | None = None, **host: object):
    counter = itertools.count()
    return plan_mount_points(
        config or ContainerConfig(), HostConfig(**host), new_name=lambda: f"anonymous{next(counter)}"
    )


def test_an_absolute_source_is_a_bind():
    point = parse_bind("/srv/./data/:/data:ro")
    assert (point.type, point.source, point.destination, point.rw) == ("bind", "/srv/data", "/data", False)


def test_a_bare_source_names_a_volume_that_is_filled_from_the_image():
    point = parse_bind("pgdata:/var/lib/postgresql")
    assert (point.type, point.name, point.copy_up, point.rw) == ("volume", "pgdata", True, True)


def test_nocopy_leaves_a_volume_empty():
    assert not parse_bind("pgdata:/data:nocopy").copy_up


@pytest.mark.parametrize(
    "text", ["a", ":/x", "a:", "vol:data", "/a:/", "vol:/x:sideways", "v!:/x", "/a:/b:ro,rw", "/a:/b:c:d"]
)
def test_bad_binds_are_refused(text: str):
    with pytest.raises(InvalidArgument):
        parse_bind(text)


def test_two_mounts_at_one_place_are_refused():
    with pytest.raises(InvalidArgument, match="Duplicate mount point: /x"):
        plan(binds=["/a:/x", "/b:/x/"])


def test_a_mount_of_the_user_wins_over_a_volume_of_the_image():
    points = plan(ContainerConfig(volumes={"/data": {}, "/cache": {}}), binds=["/srv:/data"])
    assert [(p.destination, p.type) for p in points] == [("/cache", "volume"), ("/data", "bind")]


def test_a_volume_without_a_name_gets_one():
    (point,) = plan(mounts=[Mount(type="volume", target="/data")])
    assert point.name == "anonymous0"


def test_long_form_tmpfs_carries_its_size_and_mode():
    (point,) = plan(
        mounts=[Mount(type="tmpfs", target="/t", tmpfs_options=TmpfsOptions(size_bytes=1024, mode=0o1770))]
    )
    assert {"size=1024", "mode=1770", "noexec"} <= set(point.options)


def test_short_tmpfs_options_come_after_the_defaults_and_so_override_them():
    (point,) = plan(tmpfs={"/t": "exec,size=1m"})
    assert point.options == ["noexec", "nosuid", "nodev", "exec", "size=1m"]


def test_long_form_bind_needs_an_absolute_source():
    with pytest.raises(InvalidArgument, match="mount path must be absolute"):
        plan(mounts=[Mount(type="bind", source="data", target="/data")])


def test_read_only_binds_are_so_all_the_way_down_unless_told_otherwise():
    deep = Mount(type="bind", source="/a", target="/a", read_only=True)
    flat = Mount(
        type="bind",
        source="/a",
        target="/b",
        read_only=True,
        bind_options=BindOptions(read_only_non_recursive=True),
    )
    assert [p.recursive_readonly for p in plan(mounts=[deep, flat])] == [True, False]


def test_volume_no_copy():
    (point,) = plan(
        mounts=[Mount(type="volume", source="vol", target="/d", volume_options=VolumeOptions(no_copy=True))]
    )
    assert not point.copy_up
