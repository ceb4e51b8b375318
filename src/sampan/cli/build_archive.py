# SPDX-License-Identifier: Apache-2.0
"""A build context as a tar stream, for an engine that cannot read the folder itself.

Without what ``.dockerignore`` leaves out, but always with the Dockerfile and the ignore file, as docker sends
it; owners and permissions are kept, sockets are not sent. Sorted, so that equal folders give equal bytes.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from sampan.archive.entry import Entry, Kind, kind_of
from sampan.archive.writer import FileChanged, encode_entry
from sampan.build.dockerignore import ignore_file_names, parse_dockerignore
from sampan.build.patterns import Match, PatternSet
from sampan.client.file_archive import BLOCK, iter_files

_READ_BYTES = 1 << 18


def iter_context(root: str, *, dockerfile: str, extra: dict[str, bytes] | None = None) -> Iterator[bytes]:
    """The archive, piece by piece; `extra` are files that lie elsewhere, such as a Dockerfile from stdin."""
    patterns = _patterns(root, dockerfile)
    kept = {dockerfile, *ignore_file_names(dockerfile)}
    for path, status in _walk(root, "", patterns, None, kept):
        yield from _iter_member(root, path, status)
    yield from iter_files(extra or {})


def _patterns(root: str, dockerfile: str) -> PatternSet:
    for name in ignore_file_names(dockerfile):
        try:
            with open(os.path.join(root, name), encoding="utf-8") as file:
                return parse_dockerignore(file.read())
        except (FileNotFoundError, NotADirectoryError):
            continue
    return parse_dockerignore("")


def _walk(
    root: str, folder: str, patterns: PatternSet, parent: Match | None, kept: set[str]
) -> Iterator[tuple[str, os.stat_result]]:
    """Paths below the root that are to be sent, a folder before what is in it."""
    with os.scandir(os.path.join(root, folder)) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        path = f"{folder}/{entry.name}" if folder else entry.name
        match = patterns.match(path, parent)
        status = entry.stat(follow_symlinks=False)
        is_folder = stat.S_ISDIR(status.st_mode)
        needed = path in kept or any(name.startswith(path + "/") for name in kept)
        if not match.matched or needed:
            yield path, status
        if is_folder and (not match.matched or needed or patterns.may_except_below(path)):
            yield from _walk(root, path, patterns, match, kept)


def _iter_member(root: str, path: str, status: os.stat_result) -> Iterator[bytes]:
    kind = kind_of(status.st_mode)
    if kind is None:
        return
    name = os.path.join(root, path)
    size = status.st_size if kind is Kind.FILE else 0
    yield encode_entry(
        Entry(
            path + "/" if kind is Kind.DIRECTORY else path,
            kind,
            mode=stat.S_IMODE(status.st_mode),
            uid=status.st_uid,
            gid=status.st_gid,
            size=size,
            mtime_ns=status.st_mtime_ns,
            link=os.readlink(name) if kind is Kind.SYMLINK else "",
        )
    )
    if size:
        yield from _iter_data(name, size)


def _iter_data(path: str, size: int) -> Iterator[bytes]:
    """As many bytes as the header said, whatever the file does meanwhile, and the padding."""
    left = size
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        while left:
            data = os.read(descriptor, min(left, _READ_BYTES))
            if not data:
                raise FileChanged(path)
            left -= len(data)
            yield data
    finally:
        os.close(descriptor)
    yield bytes(-size % BLOCK)
