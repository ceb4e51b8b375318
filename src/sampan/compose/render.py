# SPDX-License-Identifier: Apache-2.0
"""The typed model as plain values, in compose's own order and forms.

Two forms that differ where Go's YAML and JSON do: YAML leaves out what is empty and adds the extensions;
JSON keeps empty sections and the word ``null`` of commands, and has no extensions. The JSON form is what a
configuration hash is computed of, so it is exact to the byte.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sampan.compose.decode import Field, fields_of
from sampan.compose.durations import format_duration
from sampan.compose.float_text import Single
from sampan.compose.model import BlockDevice, Dependency, EnvFile, WeightedDevice
from sampan.compose.model_deploy import DiscreteResource
from sampan.compose.model_resources import FileObject
from sampan.compose.model_ulimit import Ulimit
from sampan.compose.project import Project

Plain = Any  # dicts, lists and scalars

_ALWAYS: dict[type[Any], frozenset[str]] = {
    Dependency: frozenset(("required",)),
    BlockDevice: frozenset(("path", "rate")),
    WeightedDevice: frozenset(("path", "weight")),
    DiscreteResource: frozenset(("kind", "value")),
}
# These fields have no names of their own for JSON in compose, so they are written as in Go.
_JSON_NAMES: dict[type[Any], dict[str, str]] = {
    BlockDevice: {"path": "Path", "rate": "Rate"},
    WeightedDevice: {"path": "Path", "weight": "Weight"},
}


def render_project(project: Project, *, json: bool) -> dict[str, Plain]:
    """The whole project."""
    rendered: dict[str, Plain] = {"name": project.name} if project.name else {}
    rendered["services"] = {name: render(service, json=json) for name, service in project.services.items()}
    for section in ("networks", "volumes", "secrets", "configs"):
        values = getattr(project, section)
        if values:
            rendered[section] = {key: render(_shown(values[key], section), json=json) for key in values}
    rendered |= sort_keys(project.extensions)
    return dict(sorted(rendered.items())) if json else rendered


def _shown(value: Any, section: str) -> Any:
    """Without what a variable had: that is not for everybody's eyes."""
    if isinstance(value, FileObject) and (section == "secrets" or value.environment):
        return type(value)(**{**_as_given(value), "content": ""})
    return value


def _as_given(value: FileObject) -> dict[str, Any]:
    return asdict(value)


def sort_keys(value: Plain) -> Plain:
    """What has no order of its own, in that of the alphabet."""
    if isinstance(value, dict):
        return {key: sort_keys(value[key]) for key in sorted(value)}
    return [sort_keys(item) for item in value] if isinstance(value, list) else value


def render(value: Any, *, json: bool = False) -> Plain:
    """One object of the model."""
    if isinstance(value, Ulimit):
        return _render_ulimit(value, json=json)
    if isinstance(value, EnvFile):
        return _render_env_file(value, json=json)
    cls = type(value)
    rendered: dict[str, Plain] = {}
    for field in fields_of(cls):  # type: ignore[arg-type]
        if field.name == "name" and field.kind == "text" and cls.__name__ == "Service":
            continue
        item = getattr(value, field.name)
        if _is_shown(field, item, json=json) or field.name in _ALWAYS.get(cls, ()):
            name = _JSON_NAMES.get(cls, {}).get(field.name, field.name) if json else field.name
            rendered[name] = _render_field(field, item, json=json)
    extensions = getattr(value, "extensions", None)
    if extensions and not json:
        rendered |= sort_keys(extensions)
    return rendered


def _is_shown(field: Field, item: Any, *, json: bool) -> bool:
    if field.kind == "command":
        return json or item is not None
    if field.optional and field.shape in ("scalar", "struct"):
        return item is not None
    if field.shape == "struct":
        return json or bool(render(item))
    return bool(item)


def _render_field(field: Field, item: Any, *, json: bool) -> Plain:
    if field.shape == "struct":
        return render(item, json=json)
    if field.shape == "structs":
        return [render(one, json=json) for one in item]
    if field.shape == "named":
        return {key: None if item[key] is None else render(item[key], json=json) for key in sorted(item)}
    return render_scalar(field.kind, item)


def render_scalar(kind: str, item: Any) -> Plain:
    """One value of a kind, as compose writes it."""
    if item is None:
        return None
    if kind == "size":
        return str(item)
    if kind in ("duration", "duration?"):
        return format_duration(item)
    if kind == "mode":
        return f"0{item:o}"
    if kind == "hosts":
        return sorted(f"{name}={address}" for name, addresses in item.items() for address in addresses)
    if kind == "ssh":
        return [f"{name}: {item[name]}" if item[name] else name for name in sorted(item)]
    if kind == "real":
        return Single(item)
    if isinstance(item, dict):
        return {key: item[key] for key in sorted(item)}
    return list(item) if isinstance(item, tuple) else item


def _render_ulimit(ulimit: Ulimit, *, json: bool) -> Plain:
    if ulimit.single:
        return ulimit.single
    both = {"soft": ulimit.soft, "hard": ulimit.hard}
    return {key: value for key, value in both.items() if value} if json else both


def _render_env_file(file: EnvFile, *, json: bool) -> Plain:
    if file.required:
        return file.path
    rendered: dict[str, Plain] = {"path": file.path, "required": file.required}
    return {**rendered, "format": file.format} if json and file.format else rendered
