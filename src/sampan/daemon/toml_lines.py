# SPDX-License-Identifier: Apache-2.0
"""On which line of a TOML document a key stands: tomllib does not keep that, and a mistake wants to be shown.

Pure. Reads what the parser has accepted already, so it looks for table headers and keys only.
"""

from __future__ import annotations

import re

Path = tuple[str | int, ...]

_TABLE = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?")
_KEY = re.compile(
    r"\s*((?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*'))*)\s*="
)


def find_line(text: str, path: Path) -> int | None:
    """The line, counted from 1, of the longest beginning of `path` that is written there."""
    places = locate_keys(text)
    while path:
        if path in places:
            return places[path]
        path = path[:-1]
    return None


def locate_keys(text: str) -> dict[Path, int]:
    """Every table and key with its line; elements of arrays of tables are counted from 0."""
    places: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    table: Path = ()
    for number, line in enumerate(text.splitlines(), 1):
        if match := _TABLE.fullmatch(line):
            table = _enter(_split(match[2]), counts, is_array=match[1] == "[[")
            places.setdefault(table, number)
            places.setdefault(table[:-1], number) if isinstance(table[-1], int) else None
        elif match := _KEY.match(line):
            places.setdefault((*table, *_split(match[1])), number)
    return places


def _enter(names: list[str], counts: dict[Path, int], *, is_array: bool) -> Path:
    """The path of a table: each array of tables on the way means its newest element."""
    path: Path = ()
    for position, name in enumerate(names):
        path = (*path, name)
        if is_array and position == len(names) - 1:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = (*path, counts[path])
    return path


def _split(dotted: str) -> list[str]:
    return [part.strip().strip("\"'") for part in dotted.split(".")]
