# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sampan.api.history import CHANGES, as_of, each, inside, with_fields, without
from sampan.api.versions import CURRENT, MINIMUM


def test_the_newest_version_gets_the_very_object() -> None:
    value = {"Id": "x"}
    assert as_of(CURRENT, "container", value) is value


def test_undoing_changes_leaves_the_object_as_it_was() -> None:
    value = {"Size": 3, "RepoTags": [], "RepoDigests": [], "Containers": 2, "Descriptor": {}}
    before = {**value, "RepoTags": [], "RepoDigests": []}
    older = as_of(MINIMUM, "image summary", value)
    assert value == before
    assert older == {
        "Size": 3,
        "VirtualSize": 3,
        "Containers": 2,
        "RepoTags": ["<none>:<none>"],
        "RepoDigests": ["<none>@<none>"],
    }


def test_the_table_is_sorted_newest_first_and_within_the_served_versions() -> None:
    minors = [change.minor for change in CHANGES]
    assert minors == sorted(minors, reverse=True)
    assert all(24 < minor <= 51 for minor in minors)


@pytest.mark.parametrize(
    ("undo", "value", "older"),
    [
        (without("A", "B.C"), {"A": 1, "B": {"C": 2, "D": 3}}, {"B": {"D": 3}}),
        (without("B.C"), {"B": None}, {"B": None}),
        (with_fields({"A": 1, "B.C": None}), {"A": 5, "B": {}}, {"A": 5, "B": {"C": None}}),
        (each("L", without("x")), {"L": [{"x": 1, "y": 2}]}, {"L": [{"y": 2}]}),
        (each("M", without("x")), {"M": {"k": {"x": 1}}}, {"M": {"k": {}}}),
        (each("L", without("x")), {"L": None}, {"L": None}),
        (inside("O", with_fields({"x": 1})), {"O": {}}, {"O": {"x": 1}}),
        (inside("O", without("x")), {}, {}),
    ],
)
def test_the_words_of_the_table(undo, value, older) -> None:  # type: ignore[no-untyped-def]
    assert undo(value) == older


def test_aliases_of_user_networks_held_the_short_id_before_1_45() -> None:
    container = {
        "Id": "0123456789abcdef",
        "Config": {"Hostname": "web"},
        "NetworkSettings": {"Networks": {"bridge": {"Aliases": None}, "mine": {"Aliases": ["db", "web"]}}},
    }
    networks = as_of("1.44", "container", container)["NetworkSettings"]["Networks"]
    assert networks["bridge"]["Aliases"] is None
    assert networks["mine"]["Aliases"] == ["db", "web", "0123456789ab"]
