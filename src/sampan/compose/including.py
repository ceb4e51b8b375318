# SPDX-License-Identifier: Apache-2.0
"""``include``: other projects as parts of this one, read in their own directory with their own ``.env``.

Implements: the Compose specification, "include". What both define must be equal, or it is a conflict.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from sampan.compose.dotenv import parse_dotenv
from sampan.compose.errors import ComposeError, Mark, Path
from sampan.compose.sources import LoadOptions, Place
from sampan.compose.tree import Series, Table, Value

LoadFiles = Callable[[list[str], Place, tuple[str, ...]], Table]

_SECTIONS = ("services", "volumes", "networks", "secrets", "configs", "models")


class Includer:
    """Brings what `tree` includes into it; `load_files` reads a whole project."""

    def __init__(self, options: LoadOptions, place: Place, load_files: LoadFiles) -> None:
        self._options = options
        self._place = place
        self._load_files = load_files

    def apply(self, tree: Table, included: tuple[str, ...]) -> None:
        """Read each entry and merge it; the key is gone afterwards."""
        entries = tree.pop("include", None)
        if entries is None:
            return
        if not isinstance(entries, Series):
            raise ComposeError("must be a list", mark=tree.mark_of("include"), path=("include",))
        for index, (entry, mark) in enumerate(entries.iter_marked()):
            self._include(tree, entry, mark, ("include", index), included)

    def _include(
        self, tree: Table, entry: Value, mark: Mark | None, path: Path, included: tuple[str, ...]
    ) -> None:
        long_form = Table([("path", entry)]) if isinstance(entry, str) else entry
        if not isinstance(long_form, Table):
            raise ComposeError("must be a string or a mapping", mark=mark, path=path)
        names = [self._options.locate(name, mark, path) for name in _texts(long_form, "path", mark, path)]
        files = [self._place.absolute(name) for name in names]
        if not files:
            raise ComposeError("path is missing", mark=mark, path=path)
        if files[0] in included:
            steps = "".join(
                f", which includes {self._options.display(step)}" for step in (*included[1:], files[0])
            )
            raise ComposeError(
                f"include cycle detected: {self._options.display(included[0])}{steps}", mark=mark, path=path
            )
        directory, base = self._directories(long_form, files[0])
        environment = self._environment(long_form, directory, mark, path)
        imported = self._load_files(files, Place(directory, base, environment), included)
        _import(imported, tree, mark, path)

    def _directories(self, entry: Table, main_file: str) -> tuple[str, str]:
        chosen = entry.get("project_directory")
        if not isinstance(chosen, str) or not chosen:
            return os.path.dirname(main_file), self._place.relative_directory(main_file)
        if os.path.isabs(chosen):
            return chosen, chosen
        return self._place.absolute(chosen), self._place.relative_directory(chosen)

    def _environment(self, entry: Table, directory: str, mark: Mark | None, path: Path) -> Mapping[str, str]:
        files = [self._place.absolute(name) for name in _texts(entry, "env_file", mark, path)]
        default = os.path.join(directory, ".env")
        if not files and os.path.isfile(default):
            files = [default]
        return {**self._read_env_files(files), **self._place.environment}

    def _read_env_files(self, files: list[str]) -> dict[str, str]:
        values: dict[str, str] = {}
        for file in files:
            text = self._options.read_text(file)
            parse_dotenv(text, self._place.environment.get, file=self._options.display(file), into=values)
        return values


def _texts(entry: Table, key: str, mark: Mark | None, path: Path) -> list[str]:
    value = entry.get(key)
    values = [value] if isinstance(value, str) else value or []
    if not all(isinstance(item, str) for item in values):
        raise ComposeError("must be a string or a list of strings", mark=mark, path=(*path, key))
    return list(values)


def _import(source: Table, target: Table, mark: Mark | None, path: Path) -> None:
    for section in _SECTIONS:
        imported = source.get(section)
        if not imported:
            continue
        held = target.get(section)
        if not isinstance(held, Table):
            held = Table(mark=mark)
            target.put(section, held, mark)
        for name, value in imported.items():
            if name in held and held[name] != value:
                raise ComposeError(
                    f"{section}.{name} conflicts with imported resource", mark=held.mark_of(name), path=path
                )
            held.put(name, value, imported.mark_of(name))
