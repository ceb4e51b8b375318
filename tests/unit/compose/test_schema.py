# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compose_cases import CASES, case_names
from sampan.compose.documents import parse_documents
from sampan.compose.schema import iter_complaints, load_schema
from sampan.compose.tree import Series, Table, Value

JUDGE = jsonschema.Draft7Validator(load_schema())


def to_tree(value: Any) -> Value:
    if isinstance(value, dict):
        return Table((key, to_tree(item)) for key, item in value.items())
    return Series(map(to_tree, value)) if isinstance(value, list) else value


def is_fine(value: Any) -> bool:
    return next(iter_complaints(to_tree(value)), None) is None


def test_the_schema_is_the_specifications() -> None:
    jsonschema.Draft7Validator.check_schema(load_schema())
    assert "use_api_socket" in load_schema()["definitions"]["service"]["properties"]


@pytest.mark.parametrize("name", case_names())
def test_what_is_written_in_the_cases_is_fine_to_both(name: str) -> None:
    for path in (CASES / name).glob("*.y*ml"):
        if (
            path.name.startswith("expected")
            or "!reset" in path.read_text()
            or "!override" in path.read_text()
        ):
            continue
        (document, *_) = parse_documents(path.read_bytes(), path.name)
        if "${" in path.read_text():
            continue
        assert JUDGE.is_valid(document.tree)
        assert is_fine(document.tree)


SCALARS = (
    st.none() | st.booleans() | st.integers(-5, 3000) | st.sampled_from([0.5, "text", "host", "80:80", ""])
)
SHAPES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "test",
                    "source",
                    "target",
                    "x-a",
                    "soft",
                    "hard",
                    "path",
                    "type",
                    "aliases",
                    "A",
                    "condition",
                ]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)
KEYS = sorted(load_schema()["definitions"]["service"]["properties"])


@given(st.dictionaries(st.sampled_from([*KEYS, "unknown", "x-mine"]), SHAPES, max_size=3))
def test_services_are_judged_as_the_general_validator_judges_them(service: dict[str, Any]) -> None:
    document = {"services": {"web": service}}
    assert is_fine(document) == JUDGE.is_valid(document)


SECTIONS = st.sampled_from(
    ["name", "version", "include", "networks", "volumes", "secrets", "configs", "models", "x"]
)


@given(st.dictionaries(SECTIONS, st.dictionaries(st.sampled_from(["a", "b c"]), SHAPES, max_size=2) | SHAPES))
def test_projects_are_judged_as_the_general_validator_judges_them(document: dict[str, Any]) -> None:
    assert is_fine(document) == JUDGE.is_valid(document)


def test_every_expected_output_is_a_project_again() -> None:
    for name in case_names():
        text = (CASES / name / "expected.yaml").read_text().replace("{case}", "/case")
        (document,) = parse_documents(text.encode(), name)
        assert is_fine(document.tree), name


def test_the_package_has_the_schema() -> None:
    place = Path(load_schema.__wrapped__.__code__.co_filename).parent
    assert (place / "compose-spec.json").stat().st_size > 50_000
