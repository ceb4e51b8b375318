# SPDX-License-Identifier: Apache-2.0
"""The documents of a file as trees: merge keys followed, duplicate keys refused, ``!reset`` and ``!override``
noted.

Holds: every alias becomes values of its own, so that a tree can be changed in one place; how many values
aliases may make is bounded, as a few lines can otherwise mean billions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sampan.compose.errors import ComposeError, Mark, Path
from sampan.compose.scalars import resolve_scalar
from sampan.compose.tree import Series, Table, Value
from sampan.compose.yaml_events import MAX_DEPTH, Mapping, Node, Scalar, Sequence, iter_documents

MAX_VALUES = 200_000

_YAML = "tag:yaml.org,2002:"
_TEXT_TAGS = (_YAML + "str", "!", _YAML + "binary")
_RESET, _OVERRIDE = "!reset", "!override"


class Document(NamedTuple):
    """One document: `resets` are the paths whose earlier values it takes away."""

    tree: Value
    resets: tuple[Path, ...]


def parse_documents(data: bytes, file: str) -> Iterator[Document]:
    """Read a file's text; `file` is how errors name it."""
    for root in iter_documents(data, file):
        builder = _Builder(file)
        yield Document(builder.build(root, ()), tuple(builder.resets))


class _Absent:
    """Stands for a value that ``!reset`` has taken away."""


_ABSENT = _Absent()


class _Builder:
    def __init__(self, file: str) -> None:
        self.resets: list[Path] = []
        self._file = file
        self._count = 0
        self._depth = 0

    def build(self, node: Node, path: Path) -> Value:
        self._count += 1
        if self._count > MAX_VALUES:
            raise self._error("document has too many values: aliases of aliases", node, path)
        if node.tag in (_RESET, _OVERRIDE):
            self.resets.append(path)
            if node.tag == _RESET:
                return _ABSENT
        if isinstance(node, Scalar):
            return _scalar(node)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._error(f"nested deeper than {MAX_DEPTH} levels", node, path)
        value = self._series(node, path) if isinstance(node, Sequence) else self._table(node, path)
        self._depth -= 1
        return value

    def _series(self, node: Sequence, path: Path) -> Series:
        series = Series(mark=self._mark(node))
        for index, item in enumerate(node.items):
            value = self.build(item, (*path, index))
            if value is not _ABSENT:
                series.add(value, self._mark(item))
        return series

    def _table(self, node: Mapping, path: Path) -> Table:
        table = Table(mark=self._mark(node))
        lines: dict[str, int] = {}
        merged: list[tuple[Node, Node]] = []
        for key_node, item in zip(node.items[::2], node.items[1::2], strict=True):
            key = self._key(key_node, path)
            if key in lines:
                raise ComposeError(
                    f'mapping key "{key}" already defined at line {lines[key]}',
                    mark=self._mark(key_node),
                    path=path,
                )
            lines[key] = key_node.line
            if key == "<<" and isinstance(key_node, Scalar) and key_node.plain:
                merged.append((key_node, item))
                continue
            value = self.build(item, (*path, key))
            if value is not _ABSENT:
                table.put(key, value, self._mark(key_node))
        for key_node, item in merged:
            self._merge(table, item, key_node, path, hidden=lines.keys())
        return table

    def _merge(self, table: Table, item: Node, key: Node, path: Path, *, hidden: object) -> None:
        assert hasattr(hidden, "__contains__")
        sources = item.items if isinstance(item, Sequence) else [item]
        for source in sources:
            if not isinstance(source, Mapping):
                raise self._error("map merge requires map or sequence of maps as the value", key, path)
            value = self.build(source, path)
            if value is _ABSENT:
                continue
            for name in value:
                if name not in table and name not in hidden:
                    table.put(name, value[name], value.mark_of(name))

    def _key(self, node: Node, path: Path) -> str:
        if not isinstance(node, Scalar):
            raise self._error("a key must be a string, not a list or a mapping", node, path)
        value = _scalar(node)
        if not isinstance(value, str):
            where = "at top level" if not path else "here"
            raise self._error(f"non-string key {where}: {node.text}", node, path, hint="put it in quotes")
        return value

    def _mark(self, node: Node) -> Mark:
        return Mark(self._file, node.line)

    def _error(self, reason: str, node: Node, path: Path, *, hint: str | None = None) -> ComposeError:
        return ComposeError(reason, mark=self._mark(node), path=path, hint=hint)


def _scalar(node: Scalar) -> Value:
    if node.tag in _TEXT_TAGS:
        return node.text
    return resolve_scalar(node.text) if node.plain or node.tag.startswith(_YAML) else node.text


def apply_resets(tree: Value, resets: tuple[Path, ...]) -> None:
    """Take away what later documents reset or override; items of sequences stay."""
    for path in resets:
        holder = tree
        for part in path[:-1]:
            if not isinstance(holder, Table) or part not in holder:
                break
            holder = holder[str(part)]
        else:
            if path and isinstance(holder, Table):
                holder.pop(str(path[-1]), None)
