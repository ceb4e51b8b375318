# SPDX-License-Identifier: Apache-2.0
"""Bring short forms to long ones, so that what follows meets only one form of everything.

Implements: the short syntaxes of the Compose specification. With `lenient` (a project that keeps its
variables) a text that cannot be read is left as it is.
"""

from __future__ import annotations

from collections.abc import Callable

from sampan.compose.errors import ComposeError, Mark, Path
from sampan.compose.merging import format_scalar, new_dependency
from sampan.compose.port_spec import parse_ports
from sampan.compose.tree import Rules, Series, Table, Value
from sampan.compose.volume_spec import parse_volume
from sampan.errors import InvalidArgument

Rule = Callable[[Value, Path, Mark | None], Value]


def make_canonical(tree: Table, *, lenient: bool, warn: Callable[[str], None]) -> None:
    """Rewrite a project's tree in place."""
    _Canonical(lenient, warn).table(tree, ())


class _Canonical:
    def __init__(self, lenient: bool, warn: Callable[[str], None]) -> None:
        self._lenient = lenient
        self._warn = warn
        self._rules = Rules({**_RULES, **dict.fromkeys(_RESOURCES, self._external)})

    def table(self, tree: Table, path: Path) -> None:
        for key, value in list(tree.items()):
            tree[key] = self._value(value, (*path, key), tree.mark_of(key))

    def _value(self, value: Value, path: Path, mark: Mark | None) -> Value:
        rule = self._rules.find(path)
        if rule is not None:
            try:
                value = rule(value, path, mark)
            except InvalidArgument as error:
                if self._lenient:
                    return value
                if isinstance(error, ComposeError):
                    raise
                raise ComposeError(error.message, mark=mark, path=path) from None
        if isinstance(value, Table):
            self.table(value, path)
        elif isinstance(value, Series):
            for index, (item, where) in enumerate(list(value.iter_marked())):
                value[index] = self._value(item, (*path, index), where)
        return value

    def _external(self, value: Value, path: Path, mark: Mark | None) -> Value:
        if not isinstance(value, Table) or not isinstance(value.get("external"), Table):
            return value
        name = value["external"].get("name")
        value["external"] = True
        if name is not None:
            where = ".".join(map(str, path))
            self._warn(f"{where}: external.name is deprecated. Please set name and external: true")
            if value.setdefault("name", name) != name:
                raise ComposeError("name and external.name conflict; only use name", mark=mark, path=path)
        return value


def _build(value: Value, _path: Path, mark: Mark | None) -> Value:
    return _single("context", value, mark)


def _extends(value: Value, _path: Path, mark: Mark | None) -> Value:
    return _single("service", value, mark)


def _file_reference(value: Value, _path: Path, mark: Mark | None) -> Value:
    return _single("source", value, mark)


def _single(key: str, value: Value, mark: Mark | None) -> Value:
    if not isinstance(value, str):
        return value
    table = Table(mark=mark)
    table.put(key, value, mark)
    return table


def _text(value: Value, _path: Path, _mark: Mark | None) -> Value:
    return format_scalar(value)


def _text_list(value: Value, _path: Path, mark: Mark | None) -> Value:
    return Series([value], mark=mark) if isinstance(value, str) else value


def _pairs(value: Value, path: Path, mark: Mark | None) -> Value:
    if not isinstance(value, Series):
        return value
    table = Table(mark=mark)
    for item, where in value.iter_marked():
        key, equals, rest = str(item).partition("=")
        if not equals:
            raise ComposeError(f"invalid value {item}, expected key=value", mark=where, path=path)
        table.put(key, rest, where)
    return table


def _depends_on(value: Value, _path: Path, mark: Mark | None) -> Value:
    if isinstance(value, Table):
        for entry in value.values():
            if isinstance(entry, Table):
                entry.setdefault("condition", "service_started")
                entry.setdefault("required", True)
        return value
    table = Table(mark=mark)
    for name, where in value.iter_marked():
        table.put(str(name), new_dependency(), where)
    return table


def _names(value: Value, _path: Path, mark: Mark | None) -> Value:
    if not isinstance(value, Series):
        return value
    table = Table(mark=mark)
    for name, where in value.iter_marked():
        table.put(str(name), None, where)
    return table


def _env_files(value: Value, _path: Path, mark: Mark | None) -> Value:
    files = Series(mark=mark)
    entries = value.iter_marked() if isinstance(value, Series) else [(value, mark)]
    for entry, where in entries:
        table = _single("path", entry, where)
        table.setdefault("required", True)
        files.add(table, where)
    return files


def _gpus(value: Value, _path: Path, mark: Mark | None) -> Value:
    return Series([Table([("count", "all")], mark=mark)], mark=mark) if isinstance(value, str) else value


def _volume(value: Value, _path: Path, mark: Mark | None) -> Value:
    if not isinstance(value, str):
        return value
    volume = parse_volume(value)
    volume.mark = mark
    return volume


def _device(value: Value, _path: Path, mark: Mark | None) -> Value:
    if not isinstance(value, str):
        return value
    parts = value.split(":")
    if len(parts) > 3:
        raise InvalidArgument(f"confusing device mapping, please use long syntax: {value}")
    source = parts[0]
    target = parts[1] if len(parts) > 1 and parts[1] else source
    permissions = parts[2] if len(parts) > 2 else "rwm"
    return Table([("source", source), ("target", target), ("permissions", permissions)], mark=mark)


def _ports(value: Value, path: Path, _mark: Mark | None) -> Value:
    if not isinstance(value, Series):
        return value
    ports = Series(mark=value.mark)
    for index, (item, where) in enumerate(value.iter_marked()):
        if isinstance(item, Table):
            ports.add(item, where)
            continue
        try:
            parsed = parse_ports(format_scalar(item))
        except InvalidArgument as error:
            raise ComposeError(error.message, mark=where, path=(*path, index)) from None
        for port in parsed:
            port.mark = where
            ports.add(port, where)
    return ports


def _ssh(value: Value, path: Path, mark: Mark | None) -> Value:
    if not isinstance(value, Series):
        return value
    table = Table(mark=mark)
    for item, where in value.iter_marked():
        name, equals, place = str(item).partition("=")
        if not equals and name != "default":
            raise ComposeError(f'invalid ssh key "{item}"', mark=where, path=path)
        table.put(name, place if equals else None, where)
    return table


_RESOURCES = ("volumes.*", "networks.*", "secrets.*", "configs.*")
_RULES: dict[str, Rule] = {
    "services.*.build": _build,
    "services.*.build.secrets.*": _file_reference,
    "services.*.build.provenance": _text,
    "services.*.build.sbom": _text,
    "services.*.build.additional_contexts": _pairs,
    "services.*.build.ssh": _ssh,
    "services.*.depends_on": _depends_on,
    "services.*.env_file": _env_files,
    "services.*.label_file": _text_list,
    "services.*.extends": _extends,
    "services.*.gpus": _gpus,
    "services.*.networks": _names,
    "services.*.models": _names,
    "services.*.volumes.*": _volume,
    "services.*.dns": _text_list,
    "services.*.devices.*": _device,
    "services.*.secrets.*": _file_reference,
    "services.*.configs.*": _file_reference,
    "services.*.ports": _ports,
    "services.*.develop.watch.*.ignore": _text_list,
    "services.*.develop.watch.*.include": _text_list,
}
