# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

import pytest

from compose_cases import CASES, case_names, copy_case, load_case
from sampan.compose.hashing import hash_service
from sampan.compose.json_text import format_json
from sampan.compose.render import render_project
from sampan.compose.yaml_text import format_yaml


def expected(name: str, kind: str) -> str:
    return (CASES / name / f"expected.{kind}").read_text()


def named(text: str, place: Path) -> str:
    return text.replace("$", "$$").replace(str(place), "{case}")


@pytest.mark.parametrize("name", case_names())
def test_a_project_is_printed_as_docker_compose_prints_it(name: str, tmp_path: Path) -> None:
    place = copy_case(name, tmp_path)
    project = load_case(place, keep_label_files=False)
    assert named(format_yaml(render_project(project, json=False)), place) == expected(name, "yaml")
    text = named(format_json(render_project(project, json=True), indent="  "), place)
    assert text == expected(name, "json")
    assert json.loads(text)["name"]


@pytest.mark.parametrize("name", case_names())
def test_hashes_are_docker_composes(name: str, tmp_path: Path) -> None:
    services = load_case(
        copy_case(name, tmp_path), resolve_environment=False, keep_label_files=False
    ).services
    for line in expected(name, "hash").splitlines():
        service, value = line.split()
        assert hash_service(services[service]) == value, service


def test_most_hashes_are_known() -> None:
    assert sum(len(expected(name, "hash").splitlines()) for name in case_names()) > 60
