# SPDX-License-Identifier: Apache-2.0
"""List what lies in a folder of a tree, sorted, with what is ignored left out."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from sampan.build.files.names import join
from sampan.build.patterns import Match, PatternSet

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
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


def scan(root_fd: int, folder: str, filters: Filters) -> Iterator[Entry]:
    """Everything below a folder (canonical name), folders before what is in them.

    A folder that is left out appears only if something in it does not.
    """
    fd = os.open(folder or ".", _DIRECTORY, dir_fd=root_fd)
    try:
        parents = _Verdicts(_verdict(filters.ignored, folder), None)
        yield from _scan_folder(fd, folder, "", filters, parents)
    finally:
        os.close(fd)


def _verdict(patterns: PatternSet, path: str) -> Match | None:
    """The verdict on a name that was not walked to."""
    found: Match | None = None
    for index, char in enumerate(path + "/" if path else ""):
        if char == "/":
            found = patterns.match(path[:index], found)
    return found


def _scan_folder(fd: int, path: str, name: str, filters: Filters, parents: _Verdicts) -> Iterator[Entry]:
    with os.scandir(fd) as listing:
        children = sorted(listing, key=lambda child: child.name)
    for child in children:
        child_path, child_name = join(path, child.name), join(name, child.name)
        verdicts = parents
        left_out = False
        if filters.ignored or filters.excluded:
            verdicts = _Verdicts(
                filters.ignored.match(child_path, parents.ignored),
                filters.excluded.match(child_name, parents.excluded),
            )
            left_out = _left_out(verdicts)
        is_folder = child.is_dir(follow_symlinks=False)
        if left_out and not (is_folder and _may_return(filters, verdicts, child_path, child_name)):
            continue
        entry = Entry(child_name, child_path, child.stat(follow_symlinks=False))
        if not is_folder:
            yield entry
            continue
        if not left_out:
            yield entry
        inner = os.open(child.name, _DIRECTORY, dir_fd=fd)
        try:
            for below in _scan_folder(inner, child_path, child_name, filters, verdicts):
                if left_out:
                    yield entry
                    left_out = False
                yield below
        finally:
            os.close(inner)


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
