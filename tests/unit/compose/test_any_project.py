# SPDX-License-Identifier: Apache-2.0
"""Whatever a file says, reading it gives a project or a ComposeError, and a project can be printed and planned."""

from __future__ import annotations

import json
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from compose_cases import CASES, case_names
from sampan.compose.discovery import Invocation
from sampan.compose.errors import ComposeError
from sampan.compose.hashing import hash_service
from sampan.compose.json_text import format_json
from sampan.compose.loading import load_project
from sampan.compose.observed import Observed
from sampan.compose.plan import plan_up
from sampan.compose.render import render_project
from sampan.compose.schema import load_schema
from sampan.compose.sources import LoadOptions
from sampan.compose.yaml_text import format_yaml
from sampan.errors import NotFound

DEFINITIONS = load_schema()["definitions"]
SERVICE_KEYS = sorted(DEFINITIONS["service"]["properties"])
INNER_KEYS = sorted({key for definition in DEFINITIONS.values() for key in definition.get("properties", {})})
WORDS = ["web", "db", "service:web", "a=b", "a", "80:80", "80", "./x", "data:/data:ro", "/a", "1g", "10s"]
WORDS += ["CMD", "host", "true", "$A", "${B:-1}", "x-a", "always"]
TEXTS = st.sampled_from([*WORDS, "compose.yaml", "0440", "bind", "volume", "1.5", ""])
SCALARS = st.none() | st.booleans() | st.integers(-2, 70000) | st.just(0.5) | TEXTS
SHAPES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(INNER_KEYS) | TEXTS.filter(bool), inner, max_size=3)
    ),
    max_leaves=8,
)
SERVICES = st.dictionaries(st.sampled_from(SERVICE_KEYS), SHAPES, max_size=4).map(
    lambda keys: {"image": "x", **keys}
)
SECTIONS = st.fixed_dictionaries(
    {"services": st.dictionaries(st.sampled_from(["web", "db"]), SERVICES | SHAPES, max_size=2) | SHAPES},
    optional={
        key: st.dictionaries(st.sampled_from(["data", "web", "default"]), SHAPES, max_size=2) | SHAPES
        for key in (
            "networks",
            "volumes",
            "secrets",
            "configs",
            "include",
            "name",
            "models",
            "x-a",
            "version",
        )
    },
)


def read(*documents: Any) -> None:
    with tempfile.TemporaryDirectory() as directory:
        for name, document in zip(("compose.yaml", "compose.override.yaml"), documents, strict=False):
            Path(directory, name).write_text(json.dumps(document))
        invocation = Invocation(cwd=directory, environ={"A": "1"}, project_name="any")
        options = LoadOptions(cwd=directory, home="/root", warn=lambda _line: None)
        with suppress(ComposeError, NotFound):
            project = load_project(invocation, options)
            format_yaml(render_project(project, json=False))
            format_json(render_project(project, json=True))
            for service in project.services.values():
                hash_service(service)
            plan_up(project, Observed())


@given(SECTIONS)
def test_any_file_is_a_project_or_a_compose_error(document: Any) -> None:
    read(document)


@given(SECTIONS, SECTIONS)
def test_any_two_files_are_a_project_or_a_compose_error(one: Any, two: Any) -> None:
    read(one, two)


def values_in(name: str) -> dict[str, Any]:
    """Values of the cases' services by their keys: what is right somewhere."""
    document = json.loads((CASES / name / "expected.json").read_text())
    return {key: value for service in document["services"].values() for key, value in service.items()}


GOOD = [(key, value) for name in case_names() for key, value in sorted(values_in(name).items())]


@given(st.lists(st.sampled_from(GOOD), max_size=5), st.sampled_from(SERVICE_KEYS), SHAPES)
def test_right_values_beside_any_other(pairs: list[tuple[str, Any]], key: str, value: Any) -> None:
    service = {"image": "x", **dict(pairs), key: value}
    read(
        {"services": {"web": service, "db": {"image": "x"}}, "volumes": {"data": None}},
        {"services": {"web": service}},
    )
