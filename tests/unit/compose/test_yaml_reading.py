# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from contextlib import suppress

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sampan.compose.documents import MAX_VALUES, apply_resets, parse_documents
from sampan.compose.errors import ComposeError
from sampan.compose.scalars import needs_quotes, resolve_scalar
from sampan.compose.tree import find_mark
from sampan.compose.yaml_text import format_yaml


def read(text: str) -> object:
    return [document.tree for document in parse_documents(text.encode(), "f")]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("on", "on"),
        ("n", "n"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("1", 1),
        ("-7", -7),
        ("0644", 0o644),
        ("0o644", 0o644),
        ("0x1F", 31),
        ("0b101", 5),
        ("1_000", 1000),
        ("08", 8.0),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        (".inf", float("inf")),
        ("2001-12-14", "2001-12-14"),
        ("12:30:45", "12:30:45"),
        ("1.2.3", "1.2.3"),
        ("80:80", "80:80"),
        ("+", "+"),
        ("18446744073709551615", 2**64 - 1),
        ("18446744073709551616", float(2**64)),
        ("'1'", "1"),
        ('"true"', "true"),
        ("!!str 1", "1"),
        ("!!int '1'", 1),
    ],
)
def test_scalars_are_what_compose_takes_them_for(text: str, value: object) -> None:
    assert read(f"a: {text}") == [{"a": value}]


def test_merge_keys_are_followed_and_what_is_written_wins() -> None:
    text = "a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 4}\nc: {<<: [*a, *b], z: 5}\nd: {<<: *a, x: 9}\n"
    assert read(text)[0]["c"] == {"x": 1, "y": 2, "z": 5}  # type: ignore[index]
    assert read(text)[0]["d"] == {"x": 9, "y": 2}  # type: ignore[index]


def test_an_alias_is_a_value_of_its_own() -> None:
    (tree,) = read("a: &a {x: []}\nb: *a\n")  # type: ignore[misc]
    tree["a"]["x"].append(1)
    assert tree["b"] == {"x": []}


def test_marks_lead_to_the_line_of_every_value() -> None:
    (document,) = parse_documents(b"a:\n  b:\n    - 1\n    - c: 2\n", "f")
    assert find_mark(document.tree, ("a", "b", 1, "c")).line == 4  # type: ignore[union-attr]
    assert find_mark(document.tree, ("a", "b", 7)).line == 2  # type: ignore[union-attr]


def test_resets_take_away_what_was_there() -> None:
    first, second = parse_documents(
        b"a: {b: 1, c: [1], d: 2}\n---\na: {b: !reset 0, c: !override [2]}\n", "f"
    )
    apply_resets(first.tree, second.resets)
    assert first.tree == {"a": {"d": 2}}
    assert second.tree == {"a": {"c": [2]}}


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "{a: " * 5_000,
        "- " * 70_000,
        "a: &a\n  <<: *a\n",
        "a: \x00",
        "a: 'b",
        "\t- a",
        "a: b: c",
        "%YAML 9.9\n---\na",
        "? [a]\n: b",
        "a: !!unknown [1",
        "<<: 1",
        "&a a: *a\n*a : 1",
    ],
)
def test_hostile_text_is_a_compose_error(text: str) -> None:
    with pytest.raises(ComposeError) as caught:
        read(text)
    assert caught.value.mark is not None


def test_aliases_may_not_multiply_without_end() -> None:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 7)]
    with pytest.raises(ComposeError, match="too many values"):
        read("\n".join(lines))
    assert MAX_VALUES >= 100_000


def test_bytes_that_are_no_text_name_their_line() -> None:
    with pytest.raises(ComposeError, match=r"^f:2: invalid UTF-8"):
        list(parse_documents(b"a: b\nc: \xff\n", "f"))


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(ComposeError):
        read(text)


PRINTABLE = st.text(
    alphabet=st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")) | st.sampled_from("\n\t")
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | PRINTABLE,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(PRINTABLE, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_what_is_printed_is_read_back(value: object) -> None:
    assert yaml.safe_load(format_yaml(value)) == value
    if isinstance(value, dict):
        assert json.dumps(read(format_yaml(value))[0]) == json.dumps(value)  # type: ignore[index]


@given(st.text(alphabet="0123456789+-._:eExobyYnNofalsetrun~<", min_size=1, max_size=8))
def test_text_is_quoted_where_it_would_be_something_else(text: str) -> None:
    if not needs_quotes(text):
        assert resolve_scalar(text) == text
