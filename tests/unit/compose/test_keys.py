# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import pytest

from compose_cases import load_text
from sampan.compose import keys
from sampan.compose.decode import fields_of
from sampan.compose.errors import ComposeError
from sampan.compose.keys import check_runnable
from sampan.compose.model import Service
from sampan.compose.model_resources import FileObject, Network, Volume
from sampan.compose.schema import load_schema, resolve_reference

SOURCES = Path(__file__).parents[3] / "src" / "sampan"
ROOTS = {
    "services": Service,
    "networks": Network,
    "volumes": Volume,
    "secrets": FileObject,
    "configs": FileObject,
}
TABLES = (keys.REFUSED, keys.REFUSED_TO_RUN, keys.WITHOUT_EFFECT)
# What `include`, `name` and the like do is done while a project is read.
READING = {"include", "name", "services", "networks", "volumes", "secrets", "configs"}


def iter_keys(schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """Every key of the schema with all that is below it: ``services.*.ports.*.target``."""
    schema = resolve_reference(schema)
    for choice in schema.get("oneOf", ()):
        yield from iter_keys(choice, path)
    if "items" in schema:
        yield from iter_keys(schema["items"], f"{path}.*")
    for key, below in schema.get("properties", {}).items():
        where = f"{path}.{key}" if path else key
        yield where
        yield from iter_keys(below, where)
    for pattern, below in schema.get("patternProperties", {}).items():
        if pattern != "^x-":
            yield from iter_keys(below, f"{path}.*")


def in_table(path: str) -> bool:
    parts = path.split(".")
    return any(".".join(parts[:length]) in table for table in TABLES for length in range(1, len(parts) + 1))


def in_model(path: str) -> bool:
    section, *parts = path.split(".")
    cls: type | None = ROOTS.get(section)
    for part in parts[1:]:
        if part == "*" or cls is None:
            continue
        fields = {field.name: field for field in fields_of(cls)}  # type: ignore[arg-type]
        if part not in fields:
            return False
        inner = fields[part].inner
        cls = inner if is_dataclass(inner) else None
    return True


ALL_KEYS = sorted(set(iter_keys(load_schema())))


def test_the_schema_is_walked_to_its_leaves() -> None:
    assert len(ALL_KEYS) > 320
    assert "services.*.deploy.resources.reservations.devices.*.capabilities" in ALL_KEYS


def test_every_key_is_in_the_model_or_refused_by_name() -> None:
    sections = {path for path in ALL_KEYS if path in READING or path.startswith("include.")}
    own = {path for path in ALL_KEYS if path.split(".")[0] in ROOTS and path not in ROOTS and in_model(path)}
    refused = {path for path in ALL_KEYS if in_table(path)}
    assert set(ALL_KEYS) - sections - own - refused == set()


def test_the_tables_name_only_keys_that_there_are() -> None:
    named = {path for table in TABLES for path in table}
    assert named - set(ALL_KEYS) == set()


def used_names() -> set[str]:
    """Attributes that the code reads, but for the modules that only hold or print them."""
    held = {"render.py", "decode.py", "kinds.py"}
    names: set[str] = set()
    for path in [*(SOURCES / "compose").rglob("*.py"), *(SOURCES / "cli").rglob("*.py")]:
        if path.name in held or path.name.startswith("model"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                names.add(node.attr)
    return names


# These are done with before there is a model, or steer commands after a container or image has been planned.
OF_COMMANDS = {"extends", "attach", "post_start", "pre_stop", "include", "ignore", "initial_sync", "exec"}
OF_BUILDS = {path.rsplit(".", 1)[1] for path in ALL_KEYS if path.startswith("services.*.build.")}


def test_every_key_that_is_not_refused_is_used_by_something() -> None:
    used = used_names() | OF_COMMANDS | OF_BUILDS
    own = {
        path
        for path in ALL_KEYS
        if path.split(".")[0] in ROOTS
        and "." in path
        and not in_table(path)
        and path.rsplit(".", 1)[1] != "*"
    }
    assert {path for path in own if path.rsplit(".", 1)[1] not in used} == set()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("services: {web: {image: b, isolation: hyperv}}", "isolation technologies are Windows's"),
        ("services: {web: {image: b, cpu_percent: 50}}", "use cpus"),
        (
            "services: {web: {image: b, secrets: [s]}}\nsecrets: {s: {external: true}}",
            "secrets.s.external: not supported: there is no store of secrets",
        ),
    ],
)
def test_what_a_container_cannot_have_is_refused_when_it_would_be_made(
    tmp_path: Path, text: str, message: str
) -> None:
    project = load_text(tmp_path, text)
    with pytest.raises(ComposeError, match=message):
        check_runnable(project.tree, {"web"})


def test_services_that_are_not_run_may_have_them(tmp_path: Path) -> None:
    project = load_text(tmp_path, "services: {web: {image: b}, win: {image: b, isolation: hyperv}}")
    check_runnable(project.tree, {"web"})
