# SPDX-License-Identifier: Apache-2.0
"""Check a tree against the Compose specification's schema, in words that people understand.

Implements: of JSON Schema (draft 7) what compose-spec.json uses. A validator of our own, because the general
one costs more time to import than all of compose takes to run; the tests hold the two against each other.
Holds: the complaint is about the deepest value that is wrong, in the form that the value seems to be meant in.
"""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from sampan.compose.errors import ComposeError, Path
from sampan.compose.tree import Series, Table, Value, find_mark

Schema = dict[str, Any]


class Complaint(NamedTuple):
    """One thing that is wrong."""

    path: Path
    reason: str
    hint: str | None = None


def check_schema(tree: Table) -> None:
    """Raise a ComposeError for the first thing that is wrong."""
    complaint = next(iter_complaints(tree), None)
    if complaint is not None:
        mark = find_mark(tree, complaint.path)
        path = complaint.path[:-1] if complaint.reason.startswith("unknown key") else complaint.path
        raise ComposeError(complaint.reason, mark=mark, path=path, hint=complaint.hint)


def iter_complaints(tree: Value) -> Iterator[Complaint]:
    """Everything that is wrong, in the order of the tree."""
    yield from _check(tree, load_schema(), ())


@functools.cache
def load_schema() -> Schema:
    """The schema of the specification."""
    with open(os.path.join(os.path.dirname(__file__), "compose-spec.json"), "rb") as file:
        schema: Schema = json.load(file)
    return schema


def resolve_reference(schema: Schema) -> Schema:
    """The definition that ``$ref`` means, or the schema itself."""
    reference = schema.get("$ref")
    if reference is None:
        return schema
    definition: Schema = load_schema()["definitions"][reference.rpartition("/")[2]]
    return definition


def _check(value: Value, schema: Schema, path: Path) -> Iterator[Complaint]:
    schema = resolve_reference(schema)
    if "oneOf" in schema:
        yield from _check_one_of(value, schema["oneOf"], path)
    kinds = _kinds(schema)
    if kinds and not _is_one_of(value, kinds):
        yield Complaint(path, f"must be {_name_kinds(kinds)}, not {_name_value(value)}")
        return
    for keyword, rule in _KEYWORDS.items():
        if keyword in schema:
            yield from rule(value, schema, path)
    if isinstance(value, Table):
        yield from _check_table(value, schema, path)
    if isinstance(value, Series) and "items" in schema:
        for index, item in enumerate(value):
            yield from _check(item, schema["items"], (*path, index))


def _check_one_of(value: Value, choices: list[Schema], path: Path) -> Iterator[Complaint]:
    failures = []
    for choice in choices:
        complaints = list(_check(value, choice, path))
        if not complaints:
            return
        failures.append((_fits(value, choice), complaints))
    meant = [complaints for fits, complaints in failures if fits]
    if meant:
        yield from meant[0]
        return
    kinds = [kind for choice in choices for kind in _all_kinds(choice)]
    yield Complaint(path, f"must be {_name_kinds(kinds)}, not {_name_value(value)}")


def _fits(value: Value, schema: Schema) -> bool:
    return _is_one_of(value, _all_kinds(schema))


def _all_kinds(schema: Schema) -> list[str]:
    schema = resolve_reference(schema)
    inner = [kind for choice in schema.get("oneOf", ()) for kind in _all_kinds(choice)]
    return [*_kinds(schema), *inner]


def _kinds(schema: Schema) -> list[str]:
    kinds = schema.get("type", [])
    return [kinds] if isinstance(kinds, str) else list(kinds)


def _check_table(value: Table, schema: Schema, path: Path) -> Iterator[Complaint]:
    properties, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for key in schema.get("required", ()):
        if key not in value:
            yield Complaint(path, f"{key} is missing")
    for key, item in value.items():
        rules = [properties[key]] if key in properties else []
        rules += [rule for pattern, rule in patterns.items() if re.search(pattern, key)]
        for rule in rules:
            yield from _check(item, rule, (*path, key))
        if not rules and schema.get("additionalProperties", True) is False:
            yield _unknown_key(key, properties, patterns, path)


def _unknown_key(key: str, properties: Schema, patterns: Schema, path: Path) -> Complaint:
    from difflib import get_close_matches

    near = get_close_matches(key, properties, n=1)
    hint = f'did you mean "{near[0]}"?' if near else None
    if not properties and patterns:
        return Complaint(
            (*path, key), f'unknown key "{key}": a name has only letters, digits, ".", "_" and "-"'
        )
    return Complaint((*path, key), f'unknown key "{key}"', hint)


def _check_enum(value: Value, schema: Schema, path: Path) -> Iterator[Complaint]:
    if value not in schema["enum"]:
        yield Complaint(path, f'"{value}" is not one of {", ".join(map(str, schema["enum"]))}')


def _check_pattern(value: Value, schema: Schema, path: Path) -> Iterator[Complaint]:
    if isinstance(value, str) and not re.search(schema["pattern"], value):
        yield Complaint(path, f'"{value}" does not have the form that it must have: {schema["pattern"]}')


def _check_bounds(value: Value, schema: Schema, path: Path) -> Iterator[Complaint]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    if value < schema.get("minimum", value) or value > schema.get("maximum", value):
        bounds = [f"at {word} {schema[key]}" for key, word in _BOUNDS.items() if key in schema]
        yield Complaint(path, f"must be {' and '.join(bounds)}, not {value}")


def _check_unique(value: Value, schema: Schema, path: Path) -> Iterator[Complaint]:
    if not isinstance(value, Series) or not schema["uniqueItems"]:
        return
    seen: set[str] = set()
    for index, item in enumerate(value):
        identity = json.dumps(item, sort_keys=True, default=str)
        if identity in seen:
            yield Complaint((*path, index), f"{_name_value(item)} is there twice")
        seen.add(identity)


_BOUNDS = {"minimum": "least", "maximum": "most"}
_KEYWORDS: dict[str, Callable[[Value, Schema, Path], Iterator[Complaint]]] = {
    "enum": _check_enum,
    "pattern": _check_pattern,
    "minimum": _check_bounds,
    "uniqueItems": _check_unique,
}


def _is_one_of(value: Value, kinds: list[str]) -> bool:
    return any(_IS[kind](value) for kind in kinds)


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_IS: dict[str, Callable[[Value], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": _is_number,
    "integer": lambda value: _is_number(value) and float(value).is_integer(),
}
_KIND_NAMES = {
    "object": "a mapping",
    "array": "a list",
    "string": "a string",
    "boolean": "a boolean",
    "null": "nothing",
    "number": "a number",
    "integer": "a whole number",
}


def _name_kinds(kinds: list[str]) -> str:
    names = list(dict.fromkeys(_KIND_NAMES[kind] for kind in kinds if kind != "null")) or ["nothing"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def _name_value(value: Value) -> str:
    if isinstance(value, str):
        return f'"{value if len(value) <= 40 else value[:40] + "…"}"'
    if value is None:
        return "empty"
    kind = next(kind for kind, fits in _IS.items() if fits(value))
    return _KIND_NAMES[kind] if kind in ("object", "array") else str(value).lower()
