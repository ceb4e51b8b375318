# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from sampan.compose.discovery import Found, Invocation, find_project
from sampan.compose.errors import ComposeError, NoComposeFileError
from sampan.compose.loading import load_project
from sampan.compose.naming import normalize_name
from sampan.compose.sources import LoadOptions

FILE = "services: {web: {image: x}}\n"


def find(cwd: Path, warnings: list[str] | None = None, **given: object) -> Found:
    heard: list[str] = [] if warnings is None else warnings
    invocation = Invocation(cwd=str(cwd), **{"environ": {}, **given})  # type: ignore[arg-type]
    return find_project(invocation, LoadOptions(cwd=str(cwd), warn=heard.append))


def name_of(cwd: Path, **given: object) -> str:
    invocation = Invocation(cwd=str(cwd), **{"environ": {}, **given})  # type: ignore[arg-type]
    return load_project(invocation, LoadOptions(cwd=str(cwd), warn=lambda _line: None)).name


def test_a_file_is_looked_for_upwards_with_its_override(tmp_path: Path) -> None:
    (tmp_path / "compose.yml").write_text(FILE)
    (tmp_path / "compose.override.yaml").write_text(FILE)
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    found = find(inner)
    assert found.files == (str(tmp_path / "compose.yml"), str(tmp_path / "compose.override.yaml"))
    assert found.working_dir == str(tmp_path)


def test_of_several_names_the_first_is_taken_and_told(tmp_path: Path) -> None:
    for name in ("compose.yaml", "docker-compose.yml"):
        (tmp_path / name).write_text(FILE)
    warnings: list[str] = []
    assert find(tmp_path, warnings).files == (str(tmp_path / "compose.yaml"),)
    assert warnings[1] == f"Using {tmp_path}/compose.yaml"


def test_nothing_is_found_nowhere(tmp_path: Path) -> None:
    with pytest.raises(NoComposeFileError):
        find(tmp_path)


def test_files_of_the_environment_and_their_separator(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(FILE)
    paths = (str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml"))
    assert find(tmp_path, environ={"COMPOSE_FILE": "a.yaml:b.yaml"}).files == paths
    environ = {"COMPOSE_FILE": "a.yaml,b.yaml", "COMPOSE_PATH_SEPARATOR": ","}
    assert find(tmp_path, environ=environ).files == paths
    (tmp_path / ".env").write_text("COMPOSE_FILE=b.yaml\n")
    assert find(tmp_path).files == paths[1:]
    assert find(tmp_path, files=("a.yaml",)).files == paths[:1]
    with pytest.raises(ComposeError, match="no such file"):
        find(tmp_path, environ={"COMPOSE_FILE": "gone.yaml"})


def test_the_environment_wins_over_env_files_and_a_later_file_over_an_earlier(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(FILE)
    (tmp_path / ".env").write_text("A=dot\nB=dot\n")
    (tmp_path / "one.env").write_text("A=one\nB=one\nC=$A$D\n")
    (tmp_path / "two.env").write_text("B=two\n")
    assert find(tmp_path, environ={"A": "outer"}).environment == {"A": "outer", "B": "dot"}
    found = find(tmp_path, environ={"A": "outer", "D": "d"}, env_files=("one.env", "two.env"))
    assert found.environment == {"A": "outer", "B": "two", "C": "outerd", "D": "d"}
    named = find(tmp_path, environ={"COMPOSE_ENV_FILES": "two.env"}).environment
    assert named["B"] == "two"
    assert "A" not in named
    assert "A" not in find(tmp_path, environ={"COMPOSE_DISABLE_ENV_FILE": "true"}).environment
    with pytest.raises(ComposeError, match="couldn't find env file"):
        find(tmp_path, env_files=("gone.env",))


def test_profiles_of_flags_win_over_those_of_the_environment(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(FILE)
    environ = {"COMPOSE_PROFILES": "a, b,"}
    assert find(tmp_path, environ=environ).profiles == ("a", "b")
    assert find(tmp_path, environ=environ, profiles=("c",)).profiles == ("c",)


def test_the_name_comes_from_flag_environment_file_or_directory(tmp_path: Path) -> None:
    directory = tmp_path / "My Shop.2"
    directory.mkdir()
    (directory / "compose.yaml").write_text(FILE)
    assert name_of(directory) == "myshop2"
    (directory / "compose.yaml").write_text(f"name: In-${{KIND:-File}}\n{FILE}")
    assert name_of(directory) == "in-file"
    assert name_of(directory, environ={"KIND": "env"}) == "in-env"
    assert name_of(directory, environ={"COMPOSE_PROJECT_NAME": "outer"}) == "outer"
    assert name_of(directory, environ={"COMPOSE_PROJECT_NAME": "outer"}, project_name="flag") == "flag"


@pytest.mark.parametrize("name", ["Upper", "-dash", "a b", "ä"])
def test_a_name_that_is_asked_for_must_be_one(tmp_path: Path, name: str) -> None:
    (tmp_path / "compose.yaml").write_text(FILE)
    with pytest.raises(ComposeError, match="invalid project name"):
        find(tmp_path, project_name=name)


def test_normal_names_stay_as_they_are() -> None:
    assert normalize_name("_-A.b_C-1") == "ab_c-1"
    assert normalize_name(normalize_name("__X y")) == normalize_name("__X y") == "xy"
