# SPDX-License-Identifier: Apache-2.0
"""What is different in two folders that should be the same: names, kinds, modes, owners, times, attributes, contents.

Times are compared by the second, as layers have them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from sampan.archive.walk import iter_tree
from sampan.build.files.xattrs import read_xattrs

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK = 1 << 18
_SECOND_NS = 1_000_000_000
_KINDS = {
    stat.S_IFREG: "a file",
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a link",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
}


def compare_trees(first: str, second: str) -> Iterator[str]:
    """What is different in two folders, a line a path."""
    one, two = os.open(first, _DIRECTORY), os.open(second, _DIRECTORY)
    try:
        before = {found.path: found.status for found in iter_tree(one)}
        after = {found.path: found.status for found in iter_tree(two)}
        for path in sorted(before.keys() | after.keys()):
            if path not in after or path not in before:
                yield f"/{path} is only in the {'first' if path in before else 'second'} result"
                continue
            words = list(_differences(one, two, path, before[path], after[path]))
            if words:
                yield f"/{path}: {', '.join(words)}"
    finally:
        os.close(one)
        os.close(two)


def _differences(
    one: int, two: int, path: str, before: os.stat_result, after: os.stat_result
) -> Iterator[str]:
    if stat.S_IFMT(before.st_mode) != stat.S_IFMT(after.st_mode):
        yield f"{_kind(before)}, then {_kind(after)}"
        return
    if stat.S_IMODE(before.st_mode) != stat.S_IMODE(after.st_mode):
        yield f"mode {stat.S_IMODE(before.st_mode):o}, then {stat.S_IMODE(after.st_mode):o}"
    if (before.st_uid, before.st_gid) != (after.st_uid, after.st_gid):
        yield f"owner {before.st_uid}:{before.st_gid}, then {after.st_uid}:{after.st_gid}"
    if before.st_mtime_ns // _SECOND_NS != after.st_mtime_ns // _SECOND_NS:
        yield f"time {before.st_mtime_ns // _SECOND_NS}, then {after.st_mtime_ns // _SECOND_NS}"
    if read_xattrs(one, path) != read_xattrs(two, path):
        yield "attributes"
    yield from _content(one, two, path, before, after)


def _content(one: int, two: int, path: str, before: os.stat_result, after: os.stat_result) -> Iterator[str]:
    if stat.S_ISLNK(before.st_mode):
        targets = os.readlink(path, dir_fd=one), os.readlink(path, dir_fd=two)
        if targets[0] != targets[1]:
            yield f"link to {targets[0]}, then {targets[1]}"
    elif stat.S_ISREG(before.st_mode):
        if before.st_size != after.st_size:
            yield f"{before.st_size} bytes, then {after.st_size}"
        if (place := _first_difference(one, two, path)) is not None:
            yield f"content differs from byte {place} on"
    elif before.st_rdev != after.st_rdev:
        yield "another device"


def _first_difference(one: int, two: int, path: str) -> int | None:
    with (
        open(os.open(path, _FILE, dir_fd=one), "rb") as first,
        open(os.open(path, _FILE, dir_fd=two), "rb") as second,
    ):
        place = 0
        while (chunk := first.read(_CHUNK)) == (other := second.read(_CHUNK)):
            if not chunk:
                return None
            place += len(chunk)
    pairs = zip(chunk, other, strict=False)
    return place + next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(chunk), len(other)))


def _kind(status: os.stat_result) -> str:
    return _KINDS.get(stat.S_IFMT(status.st_mode), "a device")
