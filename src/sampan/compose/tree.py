# SPDX-License-Identifier: Apache-2.0
"""Values as YAML gives them, that know where they were written.

A `Table` is a dict and a `Series` a list, so schema and merge rules read them as such; beside each value they
keep its mark. Scalars are plain Python values: the mark is with what holds them.
Holds: a value that is put in without a mark has the mark of its holder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

from sampan.compose.errors import ComposeError, Mark, Path

Value: TypeAlias = Any  # str | int | float | bool | None | Table | Series: what a schema has not yet judged


class Table(dict[str, Value]):
    """A mapping: `mark` is where it begins, `marks` where the value of each key does."""

    __slots__ = ("mark", "marks")

    def __init__(self, items: Iterable[tuple[str, Value]] = (), *, mark: Mark | None = None) -> None:
        super().__init__(items)
        self.mark = mark
        self.marks: dict[str, Mark] = {}

    def put(self, key: str, value: Value, mark: Mark | None) -> None:
        """Set a value and where it stands."""
        self[key] = value
        if mark is not None:
            self.marks[key] = mark

    def mark_of(self, key: str) -> Mark | None:
        """Where the value of `key` stands."""
        return self.marks.get(key, self.mark)


class Series(list[Value]):
    """A sequence: `mark` is where it begins, `marks` where each item does."""

    __slots__ = ("mark", "marks")

    def __init__(self, items: Iterable[Value] = (), *, mark: Mark | None = None) -> None:
        super().__init__(items)
        self.mark = mark
        self.marks: list[Mark | None] = [mark] * len(self)

    def add(self, value: Value, mark: Mark | None) -> None:
        """Append a value and where it stands."""
        self.append(value)
        self.marks.append(mark)

    def mark_of(self, index: int) -> Mark | None:
        """Where an item stands."""
        return (self.marks[index] if index < len(self.marks) else None) or self.mark

    def iter_marked(self) -> Iterator[tuple[Value, Mark | None]]:
        """The items with their marks."""
        for index, value in enumerate(self):
            yield value, self.mark_of(index)


def copy_tree(value: Value) -> Value:
    """The same values, in tables and series of their own."""
    if isinstance(value, Table):
        table = Table(((key, copy_tree(item)) for key, item in value.items()), mark=value.mark)
        table.marks = dict(value.marks)
        return table
    if isinstance(value, Series):
        series = Series((copy_tree(item) for item in value), mark=value.mark)
        series.marks = [value.mark_of(index) for index in range(len(value))]
        return series
    return value


def find_mark(tree: Value, path: Path) -> Mark | None:
    """Where the value at `path` stands, or the nearest thing that holds it."""
    mark: Mark | None = getattr(tree, "mark", None)
    for part in path:
        if isinstance(tree, Table) and part in tree:
            mark, tree = tree.mark_of(str(part)) or mark, tree[str(part)]
        elif isinstance(tree, Series) and isinstance(part, int) and part < len(tree):
            mark, tree = tree.mark_of(part) or mark, tree[part]
        else:
            break
    return mark


def error_at(tree: Value, path: Path, reason: str, *, hint: str | None = None) -> ComposeError:
    """An error about the value at `path` of the whole project's tree."""
    return ComposeError(reason, mark=find_mark(tree, path), path=path, hint=hint)


def matches(path: Path, pattern: tuple[str, ...]) -> bool:
    """Whether a path is one that a pattern means; ``*`` stands for any key or index."""
    return len(path) == len(pattern) and all(
        wanted in ("*", part) for part, wanted in zip(path, pattern, strict=True)
    )


class Rules:
    """What to do at which paths: the first pattern that fits, found by its length and its last key."""

    def __init__(self, rules: dict[str, Callable[..., Value]]) -> None:
        self._by_end: dict[tuple[int, str], list[tuple[tuple[str, ...], Callable[..., Value]]]] = {}
        for pattern, rule in rules.items():
            parts = tuple(pattern.split("."))
            self._by_end.setdefault((len(parts), parts[-1]), []).append((parts, rule))

    def find(self, path: Path) -> Callable[..., Value] | None:
        """The rule for the value at this path."""
        if not path:
            return None
        for end in (str(path[-1]), "*"):
            for pattern, rule in self._by_end.get((len(path), end), ()):
                if matches(path, pattern):
                    return rule
        return None
