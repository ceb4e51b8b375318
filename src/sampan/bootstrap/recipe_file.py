# SPDX-License-Identifier: Apache-2.0
"""Recipes as people write them: TOML, one file an image.

Holds: every key is checked when the file is read, so that a spelling mistake is an error that names the file
and the key, and not a package that silently was not installed. Files named by ``source`` are read at once.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields

from sampan.bootstrap.recipe import File, Recipe, Settings, User
from sampan.errors import InvalidArgument

VARIANTS = ("apt", "essential", "minbase", "extract")


class RecipeInvalid(InvalidArgument):
    """A recipe file says something that has no meaning: `path` is the file, `reason` what is wrong."""

    def __init__(self, path: str, reason: str, *, hint: str | None = None) -> None:
        super().__init__(f"recipe {path}: {reason}", hint=hint)
        self.path = path
        self.reason = reason


def parse_recipe(text: str, *, path: str) -> Recipe:
    """Read one recipe; `path` is where it came from, and `source` files are looked for beside it."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeInvalid(path, str(error)) from error
    reader = _Reader(path)
    reader.check_keys(table, "", (*(f.name for f in fields(Recipe)), "script", "links"))
    recipe = _read_recipe(reader, table)
    if not recipe.base and not recipe.suite:
        raise RecipeInvalid(path, "neither suite nor base is given", hint='for example suite = "bookworm"')
    if recipe.variant not in VARIANTS:
        raise RecipeInvalid(path, f"variant {recipe.variant!r} is none of {', '.join(VARIANTS)}")
    return recipe


def _read_recipe(reader: _Reader, table: Mapping[str, object]) -> Recipe:
    script = reader.text(table, "script", "")
    return Recipe(
        name=reader.required_text(table, "name"),
        suite=reader.text(table, "suite", ""),
        summary=reader.text(table, "summary", ""),
        base=reader.text(table, "base", "") or None,
        aliases=reader.texts(table, "aliases"),
        variant=reader.text(table, "variant", "apt"),
        packages=reader.texts(table, "packages"),
        exclude=reader.texts(table, "exclude"),
        keep=reader.texts(table, "keep"),
        users=tuple(_read_user(reader, item) for item in reader.tables(table, "users")),
        files=tuple(_read_file(reader, item) for item in reader.tables(table, "files"))
        + tuple(File(at, link=to) for at, to in reader.mapping(table, "links").items()),
        scripts=(script,) if script else (),
        remove=reader.texts(table, "remove"),
        probes=reader.mapping(table, "probes"),
        settings=_read_settings(reader, reader.table(table, "settings")),
    )


def _read_user(reader: _Reader, table: Mapping[str, object]) -> User:
    reader.check_keys(table, "users.", tuple(f.name for f in fields(User)))
    uid = reader.number(table, "uid", 0)
    return User(
        name=reader.required_text(table, "name"),
        uid=uid,
        gid=reader.number(table, "gid", uid),
        home=reader.text(table, "home", "/nonexistent"),
        shell=reader.text(table, "shell", "/usr/sbin/nologin"),
    )


def _read_file(reader: _Reader, table: Mapping[str, object]) -> File:
    reader.check_keys(table, "files.", ("path", "content", "source", "mode"))
    source = reader.text(table, "source", "")
    content = reader.source(source) if source else reader.text(table, "content", "").encode()
    return File(reader.required_text(table, "path"), content, reader.number(table, "mode", 0o644))


def _read_settings(reader: _Reader, table: Mapping[str, object]) -> Settings:
    reader.check_keys(table, "settings.", tuple(f.name for f in fields(Settings)))
    return Settings(
        env=reader.mapping(table, "env"),
        entrypoint=reader.texts(table, "entrypoint") if "entrypoint" in table else None,
        cmd=reader.texts(table, "cmd") if "cmd" in table else None,
        user=reader.text(table, "user", "") or None,
        workdir=reader.text(table, "workdir", "") or None,
        stop_signal=reader.text(table, "stop_signal", "") or None,
        expose=reader.texts(table, "expose"),
        volumes=reader.texts(table, "volumes"),
        labels=reader.mapping(table, "labels"),
    )


class _Reader:
    """Typed access to a TOML table, with errors that name the file and the key."""

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path

    def check_keys(self, table: Mapping[str, object], where: str, known: Sequence[str]) -> None:
        for key in table:
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                hint = f"did you mean {where}{near[0]}?" if near else f"known keys: {', '.join(known)}"
                raise RecipeInvalid(self.path, f"unknown key {where}{key}", hint=hint)

    def text(self, table: Mapping[str, object], key: str, default: str) -> str:
        value = table.get(key, default)
        if not isinstance(value, str):
            raise RecipeInvalid(self.path, f"{key} is not a string")
        return value

    def required_text(self, table: Mapping[str, object], key: str) -> str:
        value = self.text(table, key, "")
        if not value:
            raise RecipeInvalid(self.path, f"{key} is missing")
        return value

    def number(self, table: Mapping[str, object], key: str, default: int) -> int:
        value = table.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool):
            raise RecipeInvalid(self.path, f"{key} is not a number")
        return value

    def texts(self, table: Mapping[str, object], key: str) -> tuple[str, ...]:
        value = table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise RecipeInvalid(self.path, f"{key} is not a list of strings")
        return tuple(value)

    def mapping(self, table: Mapping[str, object], key: str) -> dict[str, str]:
        value = self.table(table, key)
        return {name: self.text(value, name, "") for name in value}

    def table(self, table: Mapping[str, object], key: str) -> Mapping[str, object]:
        value = table.get(key, {})
        if not isinstance(value, dict):
            raise RecipeInvalid(self.path, f"{key} is not a table")
        return value

    def tables(self, table: Mapping[str, object], key: str) -> list[Mapping[str, object]]:
        value = table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise RecipeInvalid(self.path, f"{key} is not a list of tables")
        return value

    def source(self, name: str) -> bytes:
        path = os.path.join(os.path.dirname(os.path.abspath(self.path)), name)
        try:
            with open(path, "rb") as file:
                return file.read()
        except OSError as error:
            raise RecipeInvalid(self.path, f"source {name}: {error.strerror}") from error
