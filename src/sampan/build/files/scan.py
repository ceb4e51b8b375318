# SPDX-License-Identifier: Apache-2.0
"""List what lies in a folder of a tree, sorted, with what is ignored left out."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from sampan.build.files.names import Guarded, join
from sampan.build.patterns import Match, PatternSet
from sampan.linux.descent import Descent

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY
_NOTHING = PatternSet(())


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of any kind. `name` is relative to the folder that was listed, `path` canonical in its tree."""

    name: str
    path: str
    status: os.stat_result

    @property
    def is_file(self) -> bool:
        """A regular file."""
        return stat.S_ISREG(self.status.st_mode)

    @property
    def is_folder(self) -> bool:
        """A directory."""
        return stat.S_ISDIR(self.status.st_mode)

    @property
    def is_link(self) -> bool:
        """A symbolic link."""
        return stat.S_ISLNK(self.status.st_mode)


@dataclass(frozen=True, slots=True)
class Filters:
    """What is left out: by names in the tree (.dockerignore), and by names in the folder (--exclude)."""

    ignored: PatternSet = _NOTHING
    excluded: PatternSet = _NOTHING


@dataclass(frozen=True, slots=True)
class _Verdicts:
    """What the patterns said of a folder, for its children."""

    ignored: Match | None
    excluded: Match | None


@dataclass(slots=True)
class _Level:
    """A folder whose children are being listed; `unsaid` as long as it is left out and nothing in it is not."""

    entry: Entry
    children: Iterator[tuple[str, bool]]
    verdicts: _Verdicts
    unsaid: bool = False


def scan(root_fd: int, folder: str, filters: Filters) -> Iterator[Entry]:
    """Everything below a folder (canonical name), folders before what is in them.

    A folder that is left out appears only if something in it does not. What goes away meanwhile is not there.
    """
    fd = Guarded(root_fd).open(folder, _DIRECTORY)
    descent = Descent(fd)
    try:
        top = Entry("", folder, os.fstat(fd))
        levels = [_Level(top, _children(fd), _Verdicts(_verdict(filters.ignored, folder), None))]
        while levels:
            child = next(levels[-1].children, None)
            if child is not None:
                yield from _visit(descent, levels, *child, filters)
                continue
            levels.pop()
            if levels:
                descent.leave()
    finally:
        descent.close()
        os.close(fd)


def _verdict(patterns: PatternSet, path: str) -> Match | None:
    """The verdict on a name that was not walked to."""
    found: Match | None = None
    for index, char in enumerate(path + "/" if path else ""):
        if char == "/":
            found = patterns.match(path[:index], found)
    return found


def _children(fd: int) -> Iterator[tuple[str, bool]]:
    """Names, sorted, and whether each is a folder."""
    with os.scandir(fd) as listing:
        return iter(sorted((child.name, child.is_dir(follow_symlinks=False)) for child in listing))


def _visit(
    descent: Descent, levels: list[_Level], name: str, is_folder: bool, filters: Filters
) -> Iterator[Entry]:
    """One child, after the folders above it that have not been told of; a folder is gone down into."""
    level = levels[-1]
    path, shown = join(level.entry.path, name), join(level.entry.name, name)
    verdicts, left_out = level.verdicts, False
    if filters.ignored or filters.excluded:
        verdicts = _Verdicts(
            filters.ignored.match(path, level.verdicts.ignored),
            filters.excluded.match(shown, level.verdicts.excluded),
        )
        left_out = _left_out(verdicts)
    if left_out and not (is_folder and _may_return(filters, verdicts, path, shown)):
        return
    try:
        entry = Entry(shown, path, os.stat(name, dir_fd=descent.fd, follow_symlinks=False))
        children = _children(descent.enter(name)) if entry.is_folder else None
    except (FileNotFoundError, NotADirectoryError):
        return
    if not left_out:
        for above in levels if filters.ignored or filters.excluded else ():
            if above.unsaid:
                above.unsaid = False
                yield above.entry
        yield entry
    if children is not None:
        levels.append(_Level(entry, children, verdicts, left_out))


def _left_out(verdicts: _Verdicts) -> bool:
    return any(verdict is not None and verdict.matched for verdict in (verdicts.ignored, verdicts.excluded))


def _may_return(filters: Filters, verdicts: _Verdicts, path: str, name: str) -> bool:
    """Whether an exception may take back something inside a folder that is left out."""
    for patterns, verdict, asked in (
        (filters.ignored, verdicts.ignored, path),
        (filters.excluded, verdicts.excluded, name),
    ):
        if verdict is not None and verdict.matched and not patterns.may_except_below(asked):
            return False
    return True
