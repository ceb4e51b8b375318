# SPDX-License-Identifier: Apache-2.0
"""Mount flags: what the golden file of `run_options` does not reach."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.cli.mounts import parse_mount, plan_tmpfs, plan_volumes, split_csv
from sampan.cli.sizes import parse_cpus, parse_duration
from sampan.client.sizes import parse_size
from sampan.errors import InvalidArgument


@given(st.lists(st.text(alphabet='ab,"= ', max_size=5), min_size=1, max_size=4))
def test_quoted_fields_come_back(fields: list[str]) -> None:
    text = ",".join('"' + field.replace('"', '""') + '"' for field in fields)
    assert split_csv(text) == fields


@given(st.text(alphabet='abtype=,"bindrosrc/. ', max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        assert "Type" in parse_mount(text)
    except InvalidArgument as error:
        assert error.message  # noqa: PT017


def test_volume_labels_and_options_add_up() -> None:
    mount = parse_mount("src=v,dst=/d,volume-label=a=1,volume-label=b,volume-opt=o=x,volume-driver=local")
    assert mount["VolumeOptions"] == {
        "Labels": {"a": "1", "b": ""},
        "DriverConfig": {"Options": {"o": "x"}, "Name": "local"},
    }


def test_options_of_binds_that_are_switches_or_values() -> None:
    mount = parse_mount("type=bind,src=/s,dst=/d,idmap,bind-create-src")
    assert mount["BindOptions"] == {"IdMap": "auto", "CreateMountpoint": True}
    mount = parse_mount("type=bind,src=/s,dst=/d,idmap=uids=0-1-1;gids=0-1-1,bind-create-src=false")
    assert mount["BindOptions"] == {"IdMap": "uids=0-1-1;gids=0-1-1", "CreateMountpoint": False}


def test_a_name_without_a_source_is_an_anonymous_volume() -> None:
    assert plan_volumes(["/data", "x:/y"]) == (["x:/y"], {"/data": {}})


def test_the_options_of_a_tmpfs_are_left_to_the_engine() -> None:
    assert plan_tmpfs(["/run", "/tmp:size=1m,mode=1777"]) == {"/run": "", "/tmp": "size=1m,mode=1777"}


@pytest.mark.parametrize(
    ("text", "size"),
    [("1", 1), ("1k", 1024), ("1.5K", 1536), ("2MiB", 2 << 20), ("1 gb", 1 << 30), ("3b", 3)],
)
def test_sizes_are_binary(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [("0", 0), ("1.5s", 1_500_000_000), ("1h2m3s", 3_723_000_000_000), ("-5ms", -5_000_000), ("2us", 2_000)],
)
def test_durations_are_gos(text: str, nanoseconds: int) -> None:
    assert parse_duration(text) == nanoseconds


@given(st.integers(0, 10**12))
def test_processors_are_exact(nano: int) -> None:
    assert parse_cpus(f"{nano // 10**9}.{nano % 10**9:09d}") == nano


@pytest.mark.parametrize("text", ["", "a", "1/0", "1e400", "--1", "1.2.3"])
def test_refuses_what_is_no_number_of_processors(text: str) -> None:
    with pytest.raises(InvalidArgument):
        parse_cpus(text)
