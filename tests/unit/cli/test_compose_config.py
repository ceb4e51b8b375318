# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path

import pytest

from compose_cases import CASES, copy_case
from scripted_engine import ScriptedEngine

PROJECT = """
name: shop
services:
  web:
    build: ./app
    depends_on: [db]
    environment: {LEVEL: "${LEVEL:-info}", WHO: "${WHO?}"}
    volumes: ["./data:/data"]
  db:
    image: postgres:${PG:-17}
    profiles: []
    volumes: ["db:/db"]
  tools:
    image: busybox
    profiles: [tools, extra]
volumes: {db: , unused: }
networks: {default: , other: }
secrets: {token: {environment: TOKEN}}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "project"
    directory.mkdir()
    (directory / "compose.yaml").write_text(PROJECT)
    for name in [name for name in os.environ if name.startswith("COMPOSE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WHO", "me")
    monkeypatch.setenv("TOKEN", "quiet")
    monkeypatch.chdir(directory)
    return directory


@pytest.mark.parametrize(
    ("flags", "printed"),
    [
        ("--services", "db\nweb\n"),
        ("--images", "postgres:17\nshop-web\n"),
        ("--volumes", "db\n"),
        ("--networks", "default\n"),
        ("--profiles", "extra\ntools\n"),
        ("--models", ""),
        ("--quiet", ""),
    ],
)
def test_one_thing_of_a_project(sampan, project: Path, flags: str, printed: str) -> None:
    said = sampan("compose", "config", flags)
    assert (said.status, said.out, said.err) == (0, printed, "")


def test_the_project_flags_stand_before_the_subcommand(sampan, project: Path) -> None:
    assert sampan("compose", "--profile", "tools", "config", "--services").out == "db\ntools\nweb\n"
    assert sampan("compose", "--all-resources", "config", "--volumes").out == "db\nunused\n"
    assert sampan("compose", "-p", "other", "config", "--images").out == "postgres:17\nother-web\n"
    elsewhere = sampan("compose", "-f", str(project / "compose.yaml"), "--project-directory", "/x", "config")
    assert "source: /x/data" in elsewhere.out


def test_a_service_brings_what_it_needs_and_no_more(sampan, project: Path) -> None:
    said = sampan("compose", "config", "db")
    assert "db:" in said.out
    assert "web:" not in said.out


def test_naming_a_service_activates_its_profiles(sampan, project: Path) -> None:
    assert "tools:" in sampan("compose", "config", "tools").out


def test_an_unknown_service_is_refused(sampan, project: Path) -> None:
    said = sampan("compose", "config", "gone")
    assert (said.status, said.err) == (1, "sampan: no such service: gone\n")


def test_variables_stay_where_they_are_not_put_in(sampan, project: Path) -> None:
    said = sampan("compose", "config", "--no-interpolate")
    assert "image: postgres:${PG:-17}" in said.out
    assert "quiet" not in said.out


def test_paths_stay_where_they_are_not_resolved(sampan, project: Path) -> None:
    assert "source: ./data" in sampan("compose", "config", "--no-path-resolution").out


def test_variables_are_listed(sampan, project: Path) -> None:
    said = sampan("compose", "config", "--variables")
    rows = [line.split() for line in said.out.splitlines()]
    assert rows == [
        ["NAME", "REQUIRED", "DEFAULT", "VALUE", "ALTERNATE", "VALUE"],
        ["LEVEL", "false", "info"],
        ["PG", "false", "17"],
        ["WHO", "true"],
    ]
    listed = json.loads(sampan("compose", "config", "--variables", "--format", "json").out)
    assert listed["PG"] == {"Name": "PG", "DefaultValue": "17", "PresenceValue": "", "Required": False}


def test_the_environment_of_interpolation_is_listed(sampan, project: Path) -> None:
    (project / ".env").write_text("FROM_FILE=yes\nWHO=not me\n")
    lines = sampan("compose", "config", "--environment").out.splitlines()
    assert {"FROM_FILE=yes", "WHO=me", "COMPOSE_PROJECT_NAME=shop"} <= set(lines)


def test_env_files_are_read_in_order(sampan, project: Path) -> None:
    (project / "a.env").write_text("PG=15\nLEVEL=a\n")
    (project / "b.env").write_text("PG=16\n")
    said = sampan("compose", "--env-file", "a.env", "--env-file", "b.env", "config")
    assert "image: postgres:16" in said.out
    assert "LEVEL: a" in said.out


def test_output_goes_to_a_file_whole(sampan, project: Path) -> None:
    said = sampan("compose", "config", "-o", "compose.yaml")
    assert said.out == ""
    assert "context: " in (project / "compose.yaml").read_text()
    assert sorted(os.listdir(project)) == ["compose.yaml"]


def test_hashes_of_named_services(sampan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = copy_case("links", tmp_path)
    monkeypatch.chdir(place)
    said = sampan("compose", "config", "--hash", "web,db")
    assert said.out == (CASES / "links" / "expected.hash").read_text()


def test_a_project_is_read_from_standard_input(
    sampan, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"services: {only: {image: busybox}}")
    os.close(writing)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    held = os.dup(0)
    os.dup2(reading, 0)
    try:
        said = sampan("compose", "-f", "-", "config", "--services")
    finally:
        os.dup2(held, 0)
        os.close(held)
        os.close(reading)
    assert said.out == "only\n"


def test_digests_are_asked_of_the_engine(sampan, project: Path, scripted: ScriptedEngine) -> None:
    digest = "sha256:" + "a" * 64
    answer = {"Descriptor": {"digest": digest, "mediaType": "x", "size": 1}, "Platforms": []}
    scripted.on("GET /distribution/docker.io/library/postgres:17/json", json=answer)
    pinned = f"docker.io/library/postgres:17@{digest}"
    assert f"image: {pinned}" in sampan("compose", "config", "--resolve-image-digests").out
    assert sampan("compose", "config", "--lock-image-digests").out == (
        f"services:\n  db:\n    image: {pinned}\n"
    )


def test_what_is_wrong_names_its_place(sampan, project: Path) -> None:
    (project / "compose.yaml").write_text("services:\n  web:\n    image: x\n    portz: [80]\n")
    said = sampan("compose", "config")
    assert (said.status, said.out) == (1, "")
    assert said.err == (
        'sampan: compose.yaml:4: services.web: unknown key "portz"\nhint: did you mean "ports"?\n'
    )


def test_variables_that_are_not_set_are_told(sampan, project: Path) -> None:
    (project / "compose.yaml").write_text("services: {web: {image: 'x:$GONE'}}\n")
    said = sampan("compose", "config", "-q")
    assert said.err == 'WARNING: The "GONE" variable is not set. Defaulting to a blank string.\n'


def test_nowhere_is_a_project(sampan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = sampan("compose", "config")
    assert said.status == 1
    assert said.err.startswith("sampan: no configuration file provided: not found\n")


def test_flags_that_are_wrong_are_refused_before_anything_is_read(sampan, project: Path) -> None:
    assert sampan("compose", "--nope", "config").status == 125
    assert sampan("compose", "--ansi", "sometimes", "config").status == 125
    assert sampan("compose", "config", "--format", "xml").err == 'sampan: unsupported format "xml"\n'


def test_help_shows_the_flags_of_the_project(sampan) -> None:
    said = sampan("compose", "--help")
    assert said.out.startswith("Usage:  sampan compose [OPTIONS] COMMAND\n")
    assert "  -p, --project-name string" in said.out
    assert "  config " in said.out
