# SPDX-License-Identifier: Apache-2.0
"""Make the paths of a project relative to where they are meant: the directory of the file that has them.

`base` is that directory; where it is itself relative (an included or extended project below the main one),
so are the results, and the main project's own resolution makes them absolute in the end.
"""

from __future__ import annotations

import os.path
from collections.abc import Callable

from sampan.compose.errors import ComposeError, Mark, Path
from sampan.compose.tree import Rules, Series, Table, Value

_REMOTE = ("https://", "http://", "git://", "ssh://", "github.com/", "git@")


def resolve_paths(tree: Table, base: str, *, home: str) -> None:
    """Rewrite a canonical tree in place; `home` is what ``~`` means."""
    _Resolver(base, home).table(tree, ())


class _Resolver:
    def __init__(self, base: str, home: str) -> None:
        self._base = base
        self._home = home
        self._rules = Rules(
            {
                "services.*.build.context": self._context,
                "services.*.build.additional_contexts.*": self._context,
                "services.*.build.ssh.*": self._path,
                "services.*.env_file.*.path": self._file,
                "services.*.label_file.*": self._file,
                "services.*.extends.file": self._file,
                "services.*.develop.watch.*.path": self._watched,
                "services.*.volumes.*": self._mount,
                "configs.*.file": self._path,
                "secrets.*.file": self._path,
                "volumes.*": self._volume,
            }
        )

    def table(self, tree: Table, path: Path) -> None:
        for key, value in list(tree.items()):
            tree[key] = self._value(value, (*path, key), tree.mark_of(key))

    def _value(self, value: Value, path: Path, mark: Mark | None) -> Value:
        rule: Callable[..., Value] | None = self._rules.find(path)
        if rule is not None:
            return rule(value, path, mark)
        if isinstance(value, Table):
            self.table(value, path)
        elif isinstance(value, Series):
            for index, (item, where) in enumerate(list(value.iter_marked())):
                value[index] = self._value(item, (*path, index), where)
        return value

    def _path(self, value: Value, _path: Path, _mark: Mark | None) -> Value:
        if not isinstance(value, str):
            return value
        expanded = expand_home(value, self._home)
        if os.path.isabs(expanded) or expanded.startswith("\\\\") or expanded[1:3] in (":\\", ":/"):
            return expanded
        return join(self._base, expanded)

    def _file(self, value: Value, path: Path, mark: Mark | None) -> Value:
        return self._path(value, path, mark) if value else value

    def _watched(self, value: Value, path: Path, mark: Mark | None) -> Value:
        resolved = self._file(value, path, mark)
        return (
            os.path.realpath(resolved) if isinstance(resolved, str) and os.path.isabs(resolved) else resolved
        )

    def _context(self, value: Value, path: Path, mark: Mark | None) -> Value:
        if not isinstance(value, str) or "://" in value or value.startswith(("service:", *_REMOTE)):
            return value
        return self._file(value, path, mark)

    def _mount(self, value: Value, path: Path, mark: Mark | None) -> Value:
        if isinstance(value, Table) and value.get("type") == "bind":
            if not value.get("source"):
                raise ComposeError('mount of type "bind" has no source', mark=mark, path=path)
            value["source"] = self._path(value["source"], path, mark)
        return value

    def _volume(self, value: Value, path: Path, mark: Mark | None) -> Value:
        if isinstance(value, Table) and value.get("driver") == "local":
            options = value.get("driver_opts")
            if isinstance(options, Table) and options.get("o") == "bind" and "device" in options:
                options["device"] = self._path(options["device"], path, mark)
        return value


def expand_home(path: str, home: str) -> str:
    """``~/x`` below the home directory."""
    return join(home, path[1:]) if path.startswith("~") and home else path


def join(base: str, path: str) -> str:
    """`path` below `base`, without dots; what begins with ``/`` is taken to be below, too."""
    joined = os.path.normpath(f"{base}/{path}" if base else path)
    return joined[1:] if joined.startswith("//") else joined
