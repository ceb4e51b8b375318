# SPDX-License-Identifier: Apache-2.0
"""Find a project: its files, its directory, its variables and its name.

Implements: the order of ``docker compose``: flags, then the environment (``COMPOSE_FILE``, ``COMPOSE_PROFILES``,
``COMPOSE_PROJECT_NAME``, ``COMPOSE_ENV_FILES``, ``COMPOSE_PATH_SEPARATOR``, ``COMPOSE_DISABLE_ENV_FILE``),
then ``.env``, then what is found here or in a directory above.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sampan.compose.dotenv import parse_dotenv
from sampan.compose.errors import ComposeError, NoComposeFileError
from sampan.compose.naming import check_name
from sampan.compose.sources import STDIN, LoadOptions, is_remote

FILE_NAMES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
OVERRIDE_NAMES = (
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
)
_TRUE = frozenset(("1", "t", "true"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """What the command line and the environment say; paths may be relative to `cwd`."""

    cwd: str
    environ: Mapping[str, str]
    files: tuple[str, ...] = ()
    project_name: str = ""
    profiles: tuple[str, ...] = ()
    env_files: tuple[str, ...] = ()
    project_directory: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A project that has been found, and not yet read; `name` is empty where files may still say one.

    `home` is the directory that it is named after where nothing else names it.
    """

    files: tuple[str, ...]
    working_dir: str
    home: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    name: str = ""
    profiles: tuple[str, ...] = ()
    env_files: tuple[str, ...] = ()


def find_project(invocation: Invocation, options: LoadOptions) -> Found:
    """Where the project is; `NoComposeFileError` if nowhere."""
    return _Search(invocation, options).run()


class _Search:
    def __init__(self, invocation: Invocation, options: LoadOptions) -> None:
        self._asked = invocation
        self._options = options
        self._environment = dict(invocation.environ)
        self._files = [self._absolute(path) for path in invocation.files]

    def run(self) -> Found:
        self._read_env_files()
        self._take_files_of_environment()
        if not self._files:
            self._files = self._search_upwards()
            self._read_env_files()
        if not self._files:
            raise NoComposeFileError
        name = self._asked.project_name or self._environment.get("COMPOSE_PROJECT_NAME", "")
        return Found(
            files=tuple(self._files),
            working_dir=self._working_dir(),
            home=self._home(),
            environment=self._environment,
            name=check_name(name),
            profiles=self._profiles(),
            env_files=tuple(self._named_env_files()),
        )

    def _absolute(self, path: str) -> str:
        if path == STDIN:
            return path
        return os.path.normpath(os.path.join(self._asked.cwd, self._options.locate(path)))

    def _working_dir(self) -> str:
        if self._asked.project_directory:
            return self._absolute(self._asked.project_directory)
        for path in self._files:
            if path != STDIN:
                return os.path.dirname(path)
        return self._asked.cwd

    def _home(self) -> str:
        """What was fetched lies in a cache: such a project is at home where the command runs."""
        asked = next((path for path in self._asked.files if path != STDIN), "")
        is_fetched = not self._asked.project_directory and is_remote(asked)
        return self._asked.cwd if is_fetched else self._working_dir()

    def _profiles(self) -> tuple[str, ...]:
        listed = self._asked.profiles or self._environment.get("COMPOSE_PROFILES", "").split(",")
        return tuple(word.strip() for word in listed if word.strip())

    def _read_env_files(self) -> None:
        """Add variables that are not set yet; a later file wins over an earlier one."""
        values: dict[str, str] = {}
        for path in self._env_files():
            if not os.path.exists(path):
                raise ComposeError(f"couldn't find env file: {path}")
            if os.path.isdir(path):
                raise ComposeError(f"{path} is a directory")
            text = self._options.read_text(path)
            parse_dotenv(text, self._environment.get, file=self._options.display(path), into=values)
        self._environment = {**values, **self._environment}

    def _named_env_files(self) -> list[str]:
        listed = self._asked.environ.get("COMPOSE_ENV_FILES", "").split(",")
        return [self._absolute(path) for path in self._asked.env_files or listed if path]

    def _env_files(self) -> list[str]:
        named = self._named_env_files()
        if named:
            return named
        if self._asked.environ.get("COMPOSE_DISABLE_ENV_FILE", "").lower() in _TRUE:
            return []
        default = os.path.join(self._home(), ".env")
        return [default] if os.path.isfile(default) else []

    def _take_files_of_environment(self) -> None:
        listed = self._environment.get("COMPOSE_FILE")
        if self._files or listed is None:
            return
        separator = self._environment.get("COMPOSE_PATH_SEPARATOR") or os.pathsep
        self._files = [self._absolute(path) for path in listed.split(separator)]
        for path in self._files:
            if path != STDIN and not os.path.exists(path):
                raise ComposeError(f"stat {path}: no such file or directory")

    def _search_upwards(self) -> list[str]:
        directory = self._working_dir()
        while True:
            found = _existing(FILE_NAMES, directory)
            if found:
                overrides = _existing(OVERRIDE_NAMES, directory)
                return [*self._first(found, "config"), *self._first(overrides, "override")]
            parent = os.path.dirname(directory)
            if parent == directory:
                return []
            directory = parent

    def _first(self, found: list[str], kind: str) -> list[str]:
        warn: Callable[[str], None] = self._options.warn
        if len(found) > 1:
            warn(f"Found multiple {kind} files with supported names: {', '.join(found)}")
            warn(f"Using {found[0]}")
        return found[:1]


def _existing(names: tuple[str, ...], directory: str) -> list[str]:
    paths = [os.path.join(directory, name) for name in names]
    return [path for path in paths if os.path.exists(path)]
