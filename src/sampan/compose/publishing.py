# SPDX-License-Identifier: Apache-2.0
"""Plan ``publish``: the layers of a project, and what of it people should know before others can read it.

The files go as they are written, with their comments and variables; only the names of env files and of files that are
extended change, as those travel along under other names. What would leave the reader with half a project (`include` of
a local file, a service that has no image) is refused.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256

from sampan.compose.artifact import Layer, compose_layer, env_layer
from sampan.compose.errors import ComposeError, Mark, Path
from sampan.compose.project import Project
from sampan.compose.sources import STDIN, is_remote
from sampan.compose.template import substitute
from sampan.compose.yaml_events import Mapping, Node, Scalar, Sequence, iter_documents
from sampan.errors import InvalidArgument

Read = Callable[[str], bytes]


@dataclass(slots=True)
class _Travelling:
    """Files that go along, by path, with the names they get."""

    extended: dict[str, str] = field(default_factory=dict)
    environments: dict[str, str] = field(default_factory=dict)


def plan_layers(project: Project, read: Read) -> list[Layer]:
    """One layer for each compose file, for each file that is extended, and for each env file."""
    travelling = _Travelling()
    layers = [
        compose_layer(os.path.basename(path), _rewrite(project, path, read, travelling))
        for path in project.files
    ]
    done: set[str] = set()
    while left := [path for path in travelling.extended if path not in done]:
        for path in left:
            done.add(path)
            content = _rewrite(project, path, read, travelling)
            layers.append(compose_layer(travelling.extended[path], content, extended=True))
    layers += [
        env_layer(name, read(path))
        for path, name in travelling.environments.items()
        if os.path.exists(path)  # one that is not required may be missing
    ]
    return layers


def check_publishable(project: Project, *, with_environment: bool) -> None:
    """Refuse a project that others could not run, or that says more than its owner may know."""
    built = [name for name, service in project.services.items() if service.build and not service.image]
    if built:
        names = ", ".join(built)
        raise InvalidArgument(
            f"services without an image cannot be published: {names}",
            hint="give them an `image` that others can pull",
        )
    if STDIN in project.files:
        raise InvalidArgument("a project that is read from standard input cannot be published")
    found = list(_iter_environments(project))
    if found and not with_environment:
        raise InvalidArgument(
            "; ".join(found),
            hint="use --with-env to publish environment variables and env files, too, "
            "or take them out of the project",
        )


def _iter_environments(project: Project) -> Iterator[str]:
    for name, service in project.services.items():
        if service.env_file:
            yield f'service "{name}" has env_file declared'
        if service.environment:
            yield f'service "{name}" has environment variable(s) declared'
    for name, held in project.configs.items():
        if held.environment:
            yield f'config "{name}" is declared as an environment variable'


def list_exposures(project: Project) -> list[str]:
    """What a reader learns of this machine: bind mounts, variables with their values, env files."""
    exposed = []
    for name, service in project.services.items():
        exposed += [
            f"services.{name}: bind mount {mount.source}:{mount.target} (the declaration, not the content)"
            for mount in service.volumes
            if mount.type == "bind"
        ]
        exposed += [
            f"services.{name}: variable {key}={'' if value is None else value}"
            for key, value in service.environment.items()
        ]
        exposed += [f"services.{name}: the content of {each.path}" for each in service.env_file]
    return exposed


def _rewrite(project: Project, path: str, read: Read, travelling: _Travelling) -> bytes:
    """The file with the names that travelling files get; what is no name in it stays byte for byte."""
    text = read(path).decode("utf-8-sig")
    spans: dict[int, tuple[int, str]] = {}
    for root in iter_documents(text.encode(), path):
        for node, known, suffix in _iter_names(root, path, travelling):
            raw = substitute(node.text, project.environment.get, unset=lambda _: None)
            if is_remote(raw):
                continue
            absolute = os.path.normpath(os.path.join(os.path.dirname(path), os.path.expanduser(raw)))
            name = known.setdefault(absolute, sha256(absolute.encode()).hexdigest() + suffix)
            spans[node.start] = (node.end, name)
    for start in sorted(spans, reverse=True):
        end, name = spans[start]
        text = text[:start] + name + text[end:]
    return text.encode()


def _iter_names(
    root: Node, file: str, travelling: _Travelling
) -> Iterator[tuple[Scalar, dict[str, str], str]]:
    for key, section in _iter_entries(root):
        if key == "include":
            _check_included(section, file)
        if key != "services":
            continue
        for _, service in _iter_entries(section):
            for name, value in _iter_entries(service):
                if name == "env_file":
                    for entry in value.items if isinstance(value, Sequence) else [value]:
                        for node in _texts(entry, "path"):
                            yield node, travelling.environments, ".env"
                elif name == "extends" and isinstance(value, Mapping):
                    for node in _texts(value, "file"):
                        yield node, travelling.extended, ".yaml"


def _check_included(section: Node, file: str) -> None:
    for index, entry in enumerate(section.items if isinstance(section, Sequence) else ()):
        paths = [value for key, value in _iter_entries(entry) if key == "path"] or [entry]
        for node in paths:
            for each in node.items if isinstance(node, Sequence) else [node]:
                if isinstance(each, Scalar) and not is_remote(each.text):
                    path: Path = ("include", index)
                    raise ComposeError(
                        f"a local file cannot be published as part of the project: {each.text}",
                        mark=Mark(file, each.line),
                        path=path,
                        hint="publish it, too, and include it by its oci:// name, or use `extends`",
                    )


def _texts(node: Node, key: str) -> list[Scalar]:
    found = [value for name, value in _iter_entries(node) if name == key] or [node]
    return [value for value in found if isinstance(value, Scalar)]


def _iter_entries(node: Node) -> Iterator[tuple[str, Node]]:
    """Keys and values of a mapping, those that merge keys bring, too."""
    if not isinstance(node, Mapping):
        return
    for key, value in zip(node.items[::2], node.items[1::2], strict=True):
        if not isinstance(key, Scalar):
            continue
        if key.text == "<<" and key.plain:
            for source in value.items if isinstance(value, Sequence) else [value]:
                yield from _iter_entries(source)
        else:
            yield key.text, value
