# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.compose.documents import parse_documents
from sampan.compose.errors import ComposeError
from sampan.compose.merging import merge_trees
from sampan.compose.tree import Series, Table, copy_tree
from sampan.compose.uniqueness import drop_redefined


def tree(text: str) -> Table:
    (document,) = parse_documents(text.encode(), "f")
    return document.tree  # type: ignore[no-any-return]


def merged(base: str, over: str) -> Any:
    result = merge_trees(tree(f"services: {{web: {base}}}"), tree(f"services: {{web: {over}}}"))
    drop_redefined(result)
    return result["services"]["web"]


@pytest.mark.parametrize(
    ("base", "over", "result"),
    [
        ("{image: a}", "{image: b}", {"image": "b"}),
        ("{image: a}", "{image: }", {"image": "a"}),
        ("{command: [a, b]}", "{command: [c]}", {"command": ["c"]}),
        ("{entrypoint: a}", "{entrypoint: }", {"entrypoint": None}),
        (
            "{healthcheck: {test: [a], retries: 1}}",
            "{healthcheck: {test: [b]}}",
            {"healthcheck": {"test": ["b"], "retries": 1}},
        ),
        ("{environment: {A: 1, B: 2}}", "{environment: [B=3, C]}", {"environment": ["A=1", "B=3", "C"]}),
        ("{labels: [a=1]}", "{labels: {a: 2, b: }}", {"labels": ["a=2", "b"]}),
        ("{ports: ['80:80']}", "{ports: ['80:80', '81:81']}", {"ports": ["80:80", "81:81"]}),
        ("{volumes: ['one:/x', 'two:/y']}", "{volumes: ['three:/x']}", {"volumes": ["three:/x", "two:/y"]}),
        ("{dns: 1.1.1.1}", "{dns: [2.2.2.2]}", {"dns": ["1.1.1.1", "2.2.2.2"]}),
        ("{cap_add: [A]}", "{cap_add: [B, A]}", {"cap_add": ["A", "B"]}),
        ("{build: .}", "{build: {target: t}}", {"build": {"context": ".", "target": "t"}}),
        (
            "{depends_on: [a]}",
            "{depends_on: {b: {condition: service_healthy}}}",
            {
                "depends_on": {
                    "a": {"condition": "service_started", "required": True},
                    "b": {"condition": "service_healthy"},
                }
            },
        ),
        (
            "{networks: [a]}",
            "{networks: {a: {priority: 1}, b: }}",
            {"networks": {"a": {"priority": 1}, "b": None}},
        ),
        ("{logging: {driver: x, options: {a: 1}}}", "{logging: {driver: y}}", {"logging": {"driver": "y"}}),
        (
            "{logging: {driver: x, options: {a: 1}}}",
            "{logging: {options: {b: 2}}}",
            {"logging": {"driver": "x", "options": {"a": 1, "b": 2}}},
        ),
        (
            "{extra_hosts: {a: 1.1.1.1}}",
            "{extra_hosts: ['a=1.1.1.1', 'b=2.2.2.2']}",
            {"extra_hosts": ["a=1.1.1.1", "b=2.2.2.2"]},
        ),
        (
            "{ulimits: {nofile: 1}}",
            "{ulimits: {nofile: {soft: 1, hard: 2}}}",
            {"ulimits": {"nofile": {"soft": 1, "hard": 2}}},
        ),
        (
            "{secrets: [a]}",
            "{secrets: [{source: a, mode: 256}]}",
            {"secrets": [{"source": "a", "mode": 256}]},
        ),
        (
            "{deploy: {replicas: 1, mode: global}}",
            "{deploy: {replicas: 2}}",
            {"deploy": {"replicas": 2, "mode": "global"}},
        ),
    ],
)
def test_each_rule_of_the_specification(base: str, over: str, result: object) -> None:
    assert merged(base, over) == result


def test_pools_of_addresses_are_the_same_by_their_subnet() -> None:
    base = tree("networks: {n: {ipam: {config: [{subnet: a, gateway: 1}, {subnet: b}]}}}")
    over = tree("networks: {n: {ipam: {config: [{subnet: a, gateway: 2}, {subnet: c}]}}}")
    assert merge_trees(base, over)["networks"]["n"]["ipam"]["config"] == [
        {"subnet": "a", "gateway": 2},
        {"subnet": "b"},
        {"subnet": "c"},
    ]


def test_different_kinds_cannot_be_merged_and_say_where() -> None:
    with pytest.raises(ComposeError, match=r"^f:1: services.web.ports: cannot override"):
        merged("{ports: [80]}", "{ports: {a: 1}}")


NAMES = st.sampled_from(["a", "b", "c"])
ITEMS = st.sampled_from(["A=1", "A=2", "B=1", "C"])
SERVICES = st.fixed_dictionaries(
    {},
    optional={
        "image": NAMES,
        "command": st.lists(NAMES, max_size=2),
        "environment": st.lists(ITEMS, max_size=3) | st.dictionaries(NAMES, st.integers(0, 3), max_size=2),
        "labels": st.lists(ITEMS, max_size=3),
        "networks": st.lists(NAMES, max_size=2, unique=True),
        "cap_add": st.lists(NAMES, max_size=2),
        "deploy": st.fixed_dictionaries({}, optional={"replicas": st.integers(0, 3), "mode": NAMES}),
    },
)


def project(service: dict[str, Any]) -> Table:
    def convert(value: Any) -> Any:
        if isinstance(value, dict):
            return Table((key, convert(item)) for key, item in value.items())
        return Series(map(convert, value)) if isinstance(value, list) else value

    return convert({"services": {"web": service}})  # type: ignore[no-any-return]


def unique(value: Table) -> Table:
    drop_redefined(value)
    return value


@given(SERVICES, SERVICES)
def test_merging_changes_neither_side(one: dict[str, Any], two: dict[str, Any]) -> None:
    base, over = project(one), project(two)
    kept = copy_tree(base), copy_tree(over)
    merge_trees(base, over)
    assert (base, over) == kept


@given(SERVICES)
def test_an_empty_file_changes_nothing(service: dict[str, Any]) -> None:
    assert merge_trees(project(service), Table()) == project(service)
    assert merge_trees(Table(), project(service)) == project(service)


@given(SERVICES, SERVICES, SERVICES)
def test_files_may_be_merged_in_any_grouping(
    one: dict[str, Any], two: dict[str, Any], three: dict[str, Any]
) -> None:
    a, b, c = project(one), project(two), project(three)
    left = unique(merge_trees(merge_trees(a, b), c))
    right = unique(merge_trees(a, merge_trees(b, c)))
    assert left == right


@given(SERVICES)
def test_scalars_and_maps_of_a_file_over_itself_are_the_same(service: dict[str, Any]) -> None:
    twice = unique(merge_trees(project(service), project(service)))["services"]["web"]
    for key in ("image", "command", "deploy"):
        assert twice.get(key) == service.get(key)
