# SPDX-License-Identifier: Apache-2.0
"""``extends``: a service on top of another, of the same file or of another one.

Implements: the Compose specification, "extends". Paths of the other file stay relative to its own directory.
"""

from __future__ import annotations

from collections.abc import Callable

from sampan.compose.documents import apply_resets
from sampan.compose.errors import ComposeError, Path
from sampan.compose.merging import merge_services
from sampan.compose.path_resolution import resolve_paths
from sampan.compose.sources import LoadOptions, Place
from sampan.compose.tree import Table, Value, copy_tree, find_mark

Resets = tuple[Path, ...]
ReadFile = Callable[[str, Place], "tuple[Table, Resets]"]


class Extender:
    """Resolves the services of one file; `read_file` reads another one as far as its short forms."""

    def __init__(self, options: LoadOptions, place: Place, file: str, read_file: ReadFile) -> None:
        self._options = options
        self._place = place
        self._file = file
        self._read_file = read_file

    def apply(self, tree: Table, resets: Resets) -> None:
        """Replace each service that extends by what it comes to."""
        services = tree.get("services")
        if services is None:
            return
        if not isinstance(services, Table):
            raise ComposeError("must be a mapping", mark=tree.mark_of("services"), path=("services",))
        for name in list(services):
            services[name] = self._resolve(name, services, resets, file=self._file, chain=())

    def _resolve(
        self, name: str, services: Table, resets: Resets, *, file: str, chain: tuple[tuple[str, str], ...]
    ) -> Value:
        service = services[name]
        if not isinstance(service, Table) or "extends" not in service:
            return service
        wanted, other = self._target(service, name)
        found, found_resets, found_file = services, resets, file
        if other is not None:
            found, found_resets, found_file = self._open(other, name, service)
        if wanted not in found:
            where = f" in {found_file}" if other is not None else ""
            raise self._error(service, name, f'service "{wanted}" not found{where}')
        link = (found_file, name)
        if link in chain:
            raise self._error(service, name, _describe_circle((*chain, link)))
        base = self._resolve(wanted, found, found_resets, file=found_file, chain=(*chain, link))
        if base is None:
            return service
        if not isinstance(base, Table):
            raise self._error(service, name, f'service "{wanted}" is not a mapping')
        source = copy_tree(base)
        apply_resets(_as_project(name, source), resets)
        merged = merge_services(source, service)
        merged.pop("extends", None)
        services[name] = merged
        return merged

    def _target(self, service: Table, name: str) -> tuple[str, str | None]:
        extends = service["extends"]
        if isinstance(extends, str):
            return extends, None
        if not isinstance(extends, Table) or not isinstance(extends.get("service"), str):
            raise self._error(service, name, "service is required")
        other = extends.get("file")
        if other is not None and not isinstance(other, str):
            raise self._error(service, name, "file must be a string")
        if other is not None:
            mark = find_mark(service, ("extends",))
            other = self._options.locate(other, mark, ("services", name, "extends"))
        return extends["service"], other

    def _open(self, other: str, name: str, service: Table) -> tuple[Table, Resets, str]:
        path = self._place.absolute(other)
        place = Place(
            self._place.absolute(self._place.relative_directory(other)),
            self._place.relative_directory(other),
            self._place.environment,
        )
        tree, resets = self._read_file(path, place)
        resolve_paths(tree, place.base, home=self._options.home)
        services = tree.get("services")
        if not isinstance(services, Table):
            raise self._error(service, name, f"no services in {self._options.display(path)}")
        return services, resets, other

    def _error(self, service: Table, name: str, reason: str) -> ComposeError:
        return ComposeError(reason, mark=find_mark(service, ("extends",)), path=("services", name, "extends"))


def _as_project(name: str, service: Table) -> Table:
    return Table([("services", Table([(name, service)]))])


def _describe_circle(chain: tuple[tuple[str, str], ...]) -> str:
    first, *rest = (f"{service} in {file}" for file, service in chain)
    return f"circular reference: {first}" + "".join(f", which extends {step}" for step in rest)
