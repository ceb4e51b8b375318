# SPDX-License-Identifier: Apache-2.0
"""Load a project: find, read, normalise, check.

`load_project` gives the typed model; `load_tree` stops before it, for what is shown of a project whose
variables have not been put in.
"""

from __future__ import annotations

import functools
import os
from dataclasses import replace

from sampan.compose.consistency import check_consistency
from sampan.compose.decode import decode
from sampan.compose.discovery import Found, Invocation, find_project
from sampan.compose.documents import parse_documents
from sampan.compose.errors import ComposeError, Mark
from sampan.compose.keys import check_supported
from sampan.compose.model import Service
from sampan.compose.model_resources import FileObject, Network, Volume
from sampan.compose.naming import normalize_name
from sampan.compose.normalize import normalize
from sampan.compose.project import Project
from sampan.compose.reading import Reader
from sampan.compose.sources import VALUE_KEY, LoadOptions, Place
from sampan.compose.template import substitute
from sampan.compose.tree import Table, Value, copy_tree
from sampan.compose.variables import resolve_environment, resolve_labels
from sampan.errors import InvalidArgument


def load_project(invocation: Invocation, options: LoadOptions) -> Project:
    """The project that a command is about; every error is a ComposeError that says where."""
    found, tree = load_tree(invocation, options)
    project = _to_project(found, tree).with_profiles(found.profiles)
    if options.check_consistency:
        check_consistency(project)
    if options.resolve_environment:
        project = resolve_environment(project, options)
    return resolve_labels(project, options)


def load_tree(invocation: Invocation, options: LoadOptions) -> tuple[Found, Table]:
    """The canonical tree, and what it was found by; its ``name`` is the project's."""
    found = find_project(invocation, options)
    # A project on standard input is read twice: for its name, and for all.
    options = replace(options, read_stdin=functools.cache(options.read_stdin))
    found = replace(found, name=found.name or _read_name(found, options))
    environment = {**found.environment, "COMPOSE_PROJECT_NAME": found.name}
    found = replace(found, environment=environment)
    place = Place(found.working_dir, found.working_dir if options.resolve_paths else ".", environment)
    tree = Reader(options).read_files(list(found.files), place)
    if not tree:
        raise ComposeError("empty compose file", mark=Mark(options.display(found.files[0]), 1))
    if not found.name:
        raise ComposeError("project name must not be empty")
    check_supported(tree)
    if options.normalize:
        tree["name"] = found.name
        normalize(tree, environment)
    return found, tree


def _read_name(found: Found, options: LoadOptions) -> str:
    """The last ``name`` that a file gives, or the name of the project's directory."""
    name = ""
    for file in found.files:
        for document in parse_documents(options.read(file), options.display(file)):
            given = document.tree.get("name") if isinstance(document.tree, Table) else None
            if isinstance(given, str) and given:
                name = given
    if not name:
        return normalize_name(os.path.basename(found.home))
    if options.interpolate:
        try:
            name = substitute(name, found.environment.get, unset=lambda _name: None)
        except InvalidArgument as error:
            raise ComposeError(error.message, path=("name",), hint=error.hint) from None
    return normalize_name(name) if options.normalize else name


def _to_project(found: Found, tree: Table) -> Project:
    return Project(
        name=found.name,
        services={
            name: decode(Service, value, ("services", name), tree["services"].mark_of(name), name=name)
            for name, value in sorted(_section(tree, "services"))
        },
        networks={
            key: decode(Network, _or_empty(value), ("networks", key), None)
            for key, value in sorted(_section(tree, "networks"))
        },
        volumes={
            key: decode(Volume, _or_empty(value), ("volumes", key), None)
            for key, value in sorted(_section(tree, "volumes"))
        },
        secrets=_file_objects(tree, "secrets"),
        configs=_file_objects(tree, "configs"),
        extensions={key: value for key, value in tree.items() if key.startswith("x-")},
        working_dir=found.working_dir,
        files=found.files,
        env_files=found.env_files,
        environment=found.environment,
        tree=tree,
    )


def _section(tree: Table, key: str) -> list[tuple[str, Value]]:
    section = tree.get(key)
    return list(section.items()) if isinstance(section, Table) else []


def _or_empty(value: Value) -> Value:
    return Table() if value is None else value


def _file_objects(tree: Table, section: str) -> dict[str, FileObject]:
    objects = {}
    for key, value in sorted(_section(tree, section)):
        table = copy_tree(_or_empty(value))
        content = table.pop(VALUE_KEY, None)
        made = decode(FileObject, table, (section, key), tree[section].mark_of(key))
        objects[key] = made if content is None else replace(made, content=content)
    return objects
