# SPDX-License-Identifier: Apache-2.0
"""What a service's containers get from files: ``env_file`` and ``label_file`` put below what it says itself."""

from __future__ import annotations

import os
from dataclasses import replace

from sampan.compose.dotenv import parse_dotenv, parse_raw_env
from sampan.compose.errors import ComposeError, Path
from sampan.compose.model import EnvFile, Service
from sampan.compose.project import Project
from sampan.compose.sources import LoadOptions
from sampan.compose.template import Lookup


def resolve_environment(project: Project, options: LoadOptions) -> Project:
    """Read every service's ``env_file`` into its environment; the list of files is empty afterwards."""
    services = {
        name: _with_environment(project, service, options) for name, service in project.services.items()
    }
    return replace(project, services=services)


def _with_environment(project: Project, service: Service, options: LoadOptions) -> Service:
    own = {
        name: project.environment.get(name) if value is None else value
        for name, value in service.environment.items()
    }
    values = {name: value for name, value in own.items() if value is not None}

    def lookup(name: str) -> str | None:
        found = project.environment.get(name)
        return own.get(name) if found is None else found

    for index, file in enumerate(service.env_file):
        path = ("services", service.name, "env_file", index)
        _read_env_file(project, file, path, values, lookup, options)
    merged: dict[str, str | None] = {**values, **own}
    return replace(service, environment=dict(sorted(merged.items())), env_file=())


def _read_env_file(
    project: Project,
    file: EnvFile,
    path: Path,
    values: dict[str, str],
    lookup: Lookup,
    options: LoadOptions,
) -> None:
    if not os.path.exists(file.path):
        if file.required:
            raise project.error(path, f"env file {file.path} not found")
        return
    if os.path.isdir(file.path):
        raise project.error(path, f"env file {file.path} is a directory")
    text, name = options.read_text(file.path), options.display(file.path)
    if file.format == "raw":
        values.update(parse_raw_env(text, lookup, file=name))
    elif file.format:
        raise project.error(
            path, f'unsupported env_file format "{file.format}"', hint="the one format is raw"
        )
    else:
        parse_dotenv(text, lookup, file=name, into=values)


def resolve_labels(project: Project, options: LoadOptions) -> Project:
    """Read every service's ``label_file`` into its labels.

    The list of files stays, except for ``config``: Docker Compose counts it among what a container's hash is of.
    """
    services = {name: _with_labels(project, service, options) for name, service in project.services.items()}
    return replace(project, services=services)


def _with_labels(project: Project, service: Service, options: LoadOptions) -> Service:
    labels: dict[str, str] = {}
    for index, path in enumerate(service.label_file):
        try:
            text = options.read_text(path)
        except ComposeError as error:
            raise project.error(("services", service.name, "label_file", index), error.reason) from None
        parse_dotenv(text, labels.get, file=options.display(path), into=labels)
    merged = dict(sorted({**labels, **service.labels}.items()))
    return replace(service, labels=merged, label_file=service.label_file if options.keep_label_files else ())
