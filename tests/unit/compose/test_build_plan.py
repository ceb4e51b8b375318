# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

import pytest

from compose_cases import load_text
from sampan.compose.build_plan import BuildSettings, plan_build_query

PROJECT = "services: {web: {build: {context: ., provenance: %s, sbom: %s}}}\n"


@pytest.mark.parametrize(
    ("provenance", "sbom", "settings", "expected"),
    [
        ("''", "''", BuildSettings(), []),
        ("true", "false", BuildSettings(), ["type=provenance", "type=sbom,disabled=true"]),
        (
            "mode=min",
            "true",
            BuildSettings(sbom="false"),
            ["type=provenance,mode=min", "type=sbom,disabled=true"],
        ),
    ],
)
def test_attestations_are_asked_for_by_the_file_and_then_by_flags(
    tmp_path: Path, provenance: str, sbom: str, settings: BuildSettings, expected: list[str]
) -> None:
    project = load_text(tmp_path, PROJECT % (provenance, sbom))
    query = plan_build_query(project, project.services["web"], "demo-web", settings)
    assert query["sampan.attest"] == expected


def test_the_time_of_who_builds_goes_along(tmp_path: Path) -> None:
    text = "services: {web: {build: {context: ., args: {A: b}}}}\n"
    project = load_text(tmp_path, text, environ={"SOURCE_DATE_EPOCH": "7"})
    query = plan_build_query(project, project.services["web"], "demo-web", BuildSettings())
    assert json.loads(str(query["buildargs"])) == {"SOURCE_DATE_EPOCH": "7", "A": "b"}


@pytest.mark.parametrize(("everything", "expected"), [(False, None), (True, "linux/amd64,linux/arm64")])
def test_what_is_run_at_once_is_built_for_the_engine_and_what_is_built_alone_for_all(
    tmp_path: Path, *, everything: bool, expected: str | None
) -> None:
    text = "services: {web: {build: {context: ., platforms: [linux/amd64, linux/arm64]}}}\n"
    project = load_text(tmp_path, text)
    settings = BuildSettings(all_platforms=everything)
    query = plan_build_query(project, project.services["web"], "demo-web", settings)
    assert query["platform"] == expected
