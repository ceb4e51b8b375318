# SPDX-License-Identifier: Apache-2.0
"""Recipes: what a file may say, what it inherits, and how mistakes are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from sampan.bootstrap.catalogue import complete_recipe, find_recipe, iter_catalogue, load_recipe
from sampan.bootstrap.recipe import extend_recipe
from sampan.bootstrap.recipe_file import RecipeInvalid, parse_recipe
from sampan.errors import NotFound
from sampan.oci.reference import parse_reference

NAMES = {
    "busybox",
    "debian:bullseye-slim",
    "debian:bookworm-slim",
    "debian:trixie-slim",
    "nginx",
    "postgres:15-bookworm",
    "postgres:17-trixie",
    "python:3.9-slim-bullseye",
    "python:3.11-slim-bookworm",
    "python:3.13-slim-trixie",
    "redis",
}


def parse(text: str) -> object:
    return parse_recipe(text, path="mine.toml")


def test_the_catalogue_has_what_is_promised() -> None:
    assert {recipe.name for recipe in iter_catalogue()} == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_recipe_is_complete_and_its_name_is_a_reference(name: str) -> None:
    recipe = find_recipe(name)
    assert recipe.base is None
    assert recipe.suite in ("bullseye", "bookworm", "trixie")
    assert recipe.settings.env["PATH"]
    assert recipe.settings.cmd
    assert recipe.summary
    for reference in (recipe.name, *recipe.aliases):
        parse_reference(reference)


def test_no_name_or_alias_is_taken_twice() -> None:
    names = [name for recipe in iter_catalogue() for name in (recipe.name, *recipe.aliases)]
    assert len(names) == len(set(names))


def test_a_recipe_is_found_by_alias_and_by_its_full_name() -> None:
    assert find_recipe("busybox:latest").name == "busybox"
    assert find_recipe("docker.io/library/python:3.9-slim").name == "python:3.9-slim-bullseye"


def test_an_unknown_name_gets_the_nearest_one() -> None:
    with pytest.raises(NotFound, match="no recipe for debian:bookwrm-slim") as caught:
        find_recipe("debian:bookwrm-slim")
    assert caught.value.hint == "did you mean debian:bookworm-slim?"


def test_python_is_first_on_the_path_and_needs_no_permission_to_install() -> None:
    recipe = find_recipe("python:3.13-slim-trixie")
    assert recipe.settings.env["PATH"].startswith("/usr/local/bin:")
    assert recipe.settings.env["LANG"] == "C.UTF-8"
    assert recipe.settings.cmd == ("python3",)
    assert "/usr/lib/python3*/EXTERNALLY-MANAGED" in recipe.exclude
    links = {file.path: file.link for file in recipe.files if file.link}
    assert links["/usr/local/bin/python"] == "/usr/bin/python3.13"


@pytest.mark.parametrize("version", ["15-bookworm", "17-trixie"])
def test_postgres_is_set_up_as_the_official_image(version: str) -> None:
    settings = find_recipe(f"postgres:{version}").settings
    assert settings.entrypoint == ("docker-entrypoint.sh",)
    assert settings.cmd == ("postgres",)
    assert settings.stop_signal == "SIGINT"
    assert settings.expose == ("5432/tcp",)
    assert settings.volumes == ("/var/lib/postgresql/data",)
    assert settings.env["PGDATA"] == "/var/lib/postgresql/data"


def test_lists_follow_on_from_the_base_and_settings_are_laid_over() -> None:
    base = parse_recipe('name="a"\nsuite="sid"\npackages=["x"]\n[settings]\ncmd=["sh"]\nuser="u"', path="a")
    top = parse_recipe('name="b"\nbase="a"\npackages=["y"]\n[settings]\nworkdir="/w"', path="b")
    both = extend_recipe(base, top)
    assert (both.name, both.suite, both.packages) == ("b", "sid", ("x", "y"))
    assert (both.settings.cmd, both.settings.user, both.settings.workdir) == (("sh",), "u", "/w")


def test_an_entry_point_makes_the_bases_command_meaningless() -> None:
    base = parse_recipe('name="a"\nsuite="sid"\n[settings]\ncmd=["sh"]', path="a")
    top = parse_recipe('name="b"\nbase="a"\n[settings]\nentrypoint=["/run"]', path="b")
    assert extend_recipe(base, top).settings.cmd is None


def test_a_persons_own_file_may_stand_on_the_catalogue(tmp_path: Path) -> None:
    (tmp_path / "start.sh").write_bytes(b"#!/bin/sh\n")
    recipe = tmp_path / "mine.toml"
    recipe.write_text(
        'name = "mine:1"\nbase = "debian:trixie-slim"\npackages = ["jq"]\n'
        '[[files]]\npath = "/start.sh"\nsource = "start.sh"\nmode = 0o755\n'
    )
    complete = load_recipe(str(recipe))
    assert complete.suite == "trixie"
    assert complete.packages[-1] == "jq"
    assert complete.files[-1].content == b"#!/bin/sh\n"
    assert complete_recipe(complete) == complete


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("name = ", "recipe mine.toml: "),
        ('suite = "sid"', "name is missing"),
        ('name = "a"', "neither suite nor base is given"),
        ('name = "a"\nsuite = 3', "suite is not a string"),
        ('name = "a"\nsuite = "sid"\npackages = "x"', "packages is not a list of strings"),
        ('name = "a"\nsuite = "sid"\nusers = [1]', "users is not a list of tables"),
        ('name = "a"\nsuite = "sid"\nvariant = "huge"', "variant 'huge' is none of"),
        ('name = "a"\nsuite = "sid"\n[[users]]\nname="u"\nuid=true', "uid is not a number"),
        ('name = "a"\nsuite = "sid"\n[[files]]\npath="/x"\nsource="nowhere"', "source nowhere: No such file"),
    ],
)
def test_mistakes_name_the_file_and_the_key(text: str, reason: str) -> None:
    with pytest.raises(RecipeInvalid) as caught:
        parse(text)
    assert str(caught.value).startswith("recipe mine.toml: ")
    assert reason in str(caught.value)


def test_a_misspelt_key_gets_the_right_one() -> None:
    with pytest.raises(RecipeInvalid, match=r"unknown key settings\.entrypont") as caught:
        parse('name = "a"\nsuite = "sid"\n[settings]\nentrypont = []')
    assert caught.value.hint == "did you mean settings.entrypoint?"


def test_a_file_that_is_not_there_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="No such file"):
        load_recipe(str(tmp_path / "missing.toml"))
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(RecipeInvalid, match="not a text file"):
        load_recipe(str(tmp_path / "binary"))
