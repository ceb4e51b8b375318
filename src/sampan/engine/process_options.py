# SPDX-License-Identifier: Apache-2.0
"""Options of ps(1) → columns: `-ef`, which is Docker's default, `aux`, and `-o` lists (pure).

docker runs the host's ps for `docker top`; here none is needed. An option that is not known is refused by name.
"""

from __future__ import annotations

from collections.abc import Sequence

from sampan.engine.process_columns import ALIASES, COLUMNS
from sampan.engine.processes import Clock, Process
from sampan.errors import InvalidArgument

FULL = (
    ("user", "UID"),
    ("pid", ""),
    ("ppid", ""),
    ("c", ""),
    ("stime", ""),
    ("tty", "TTY"),
    ("time", ""),
    ("args", "CMD"),
)
SHORT = (("pid", ""), ("tty", "TTY"), ("time", ""), ("comm", "CMD"))
BSD = (
    ("user", ""), ("pid", ""), ("pcpu", ""), ("pmem", ""), ("vsz", ""), ("rss", ""), ("tty", "TTY"),
    ("stat", ""), ("stime", "START"), ("bsdtime", "TIME"), ("args", ""),
)  # fmt: skip

Layout = Sequence[tuple[str, str]]
"""Columns with their titles; an empty title is the column's own."""


def plan_layout(arguments: Sequence[str]) -> Layout:
    """The columns that options of ps ask for; those that choose processes mean nothing here."""
    chosen: list[tuple[str, str]] = []
    layout: Layout | None = None
    words = list(arguments)
    while words:
        word = words.pop(0)
        letters, _, inline = word.removeprefix("--format=").partition("o") if "o" in word else (word, "", "")
        if word.startswith("--format="):
            chosen += parse_columns(word.removeprefix("--format="))
            continue
        if "o" in word:
            chosen += parse_columns(inline or (words.pop(0) if words else ""))
        if "f" in letters and word.startswith("-"):
            layout = FULL
        elif "u" in letters:
            layout = BSD
        elif not set(letters) <= set("-eAaxwf"):
            raise InvalidArgument(
                f"ps: unsupported option {word}", hint="use -ef, aux, or -o with a list of columns"
            )
    return chosen or layout or SHORT


def parse_columns(text: str) -> Layout:
    """`pid,user=OWNER`: the last column's title may have commas in it, as in POSIX."""
    columns: list[tuple[str, str]] = []
    for item in text.replace(",", " ").split():
        name, _, title = item.partition("=")
        known = ALIASES.get(name.lower(), name.lower())
        if known not in COLUMNS:
            raise InvalidArgument(f"ps: unknown column {name}")
        columns.append((known, title or ("CMD" if name == "cmd" else "")))
    if not columns:
        raise InvalidArgument("ps: -o needs a list of columns")
    return columns


def render_table(
    layout: Layout, processes: Sequence[Process], clock: Clock
) -> tuple[list[str], list[list[str]]]:
    """Titles and rows."""
    titles = [title or COLUMNS[name][0] for name, title in layout]
    return titles, [[COLUMNS[name][1](process, clock) for name, _ in layout] for process in processes]
