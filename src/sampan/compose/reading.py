# SPDX-License-Identifier: Apache-2.0
"""Read the files of a project into one canonical tree: interpolated, extended, included, merged, validated.

The order is compose's own, document by document, as results depend on it: variables first, then what a
service extends, then what the file resets and includes, then the merge, then the schema, then long forms.
"""

from __future__ import annotations

from sampan.compose.canonical import make_canonical
from sampan.compose.checks import check_values
from sampan.compose.defaults import add_defaults
from sampan.compose.documents import Document, apply_resets, parse_documents
from sampan.compose.errors import ComposeError, Mark, Path
from sampan.compose.extending import Extender
from sampan.compose.including import Includer
from sampan.compose.interpolation import interpolate
from sampan.compose.merging import merge_trees
from sampan.compose.path_resolution import resolve_paths
from sampan.compose.schema import check_schema
from sampan.compose.sources import STDIN, VALUE_KEY, LoadOptions, Place
from sampan.compose.tree import Series, Table
from sampan.compose.uniqueness import drop_redefined


class Reader:
    """Reads files by the same options; see the module."""

    def __init__(self, options: LoadOptions) -> None:
        self._options = options

    def read_files(self, files: list[str], place: Place, *, included: tuple[str, ...] = ()) -> Table:
        """One project of several files."""
        tree = Table()
        for file in files:
            for document in self._documents(file):
                tree = self._add(tree, document, file, place, included)
        add_defaults(tree)
        check_values(tree)
        if self._options.resolve_paths or included:
            resolve_paths(tree, place.base, home=self._options.home)
        _resolve_listed_variables(tree, place)
        return tree

    def _documents(self, file: str) -> list[Document]:
        return list(parse_documents(self._options.read(file), self._options.display(file)))

    def _add(
        self, tree: Table, document: Document, file: str, place: Place, included: tuple[str, ...]
    ) -> Table:
        fresh = self._interpolated(document, file, place)
        Extender(self._options, place, file, self._read_extended).apply(fresh, document.resets)
        apply_resets(tree, document.resets)
        if "include" in fresh:
            self._including(place).apply(fresh, (*included, file))
        merged = merge_trees(tree, fresh)
        drop_redefined(merged)
        check_schema(merged)
        if merged.pop("version", None) is not None:
            self._warn_of_version(file)
        return self._canonical(merged)

    def _including(self, place: Place) -> Includer:
        return Includer(
            self._options,
            place,
            lambda files, inner, included: self.read_files(files, inner, included=included),
        )

    def _interpolated(self, document: Document, file: str, place: Place) -> Table:
        if document.tree is None:
            return Table()
        if not isinstance(document.tree, Table):
            raise ComposeError(
                "top-level object must be a mapping", mark=Mark(self._options.display(file), 1)
            )
        if not self._options.interpolate:
            return document.tree
        return interpolate(document.tree, place.environment.get, warn=self._options.warn)

    def _read_extended(self, file: str, place: Place) -> tuple[Table, tuple[Path, ...]]:
        tree, resets = Table(), tuple[Path, ...]()
        for document in self._documents(file):
            fresh = self._interpolated(document, file, place)
            apply_resets(tree, document.resets)
            tree = merge_trees(tree, fresh)
            drop_redefined(tree)
            tree = self._canonical(tree)
            resets += document.resets
        return tree, resets

    def _canonical(self, tree: Table) -> Table:
        make_canonical(tree, lenient=not self._options.interpolate, warn=self._options.warn)
        _drop_empty_servers(tree)
        drop_redefined(tree)
        return tree

    def _warn_of_version(self, file: str) -> None:
        if file in self._options.seen_versions:
            return
        self._options.seen_versions.add(file)
        name = file if file != STDIN else "stdin"
        self._options.warn(
            f"{name}: the attribute `version` is obsolete, it will be ignored, "
            "please remove it to avoid potential confusion"
        )


def _drop_empty_servers(tree: Table) -> None:
    services = tree.get("services")
    for service in services.values() if isinstance(services, Table) else ():
        servers = service.get("dns") if isinstance(service, Table) else None
        if isinstance(servers, Series):
            service["dns"] = Series((server for server in servers if server), mark=servers.mark)


def _resolve_listed_variables(tree: Table, place: Place) -> None:
    """``environment: [NAME]`` and the variables of secrets and configs, by the environment of their file."""
    for service in (tree.get("services") or {}).values():
        listed = service.get("environment") if isinstance(service, Table) else None
        if isinstance(listed, Series):
            for index, item in enumerate(listed):
                if isinstance(item, str) and item in place.environment:
                    listed[index] = f"{item}={place.environment[item]}"
    for section in ("secrets", "configs"):
        for entry in (tree.get(section) or {}).values():
            name = entry.get("environment") if isinstance(entry, Table) else None
            if isinstance(name, str) and name in place.environment:
                entry[VALUE_KEY] = place.environment[name]
