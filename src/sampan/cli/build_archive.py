# SPDX-License-Identifier: Apache-2.0
"""A build context as a tar stream, for an engine that cannot read the folder itself.

Without what ``.dockerignore`` leaves out, but always with the Dockerfile and the ignore file, as docker sends
it; owners and permissions are kept, sockets are not sent. Sorted, so that equal folders give equal bytes.
Holds: no link is followed, also not one that takes a folder's place meanwhile; only regular files are opened.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from sampan.archive.entry import Entry, Kind, kind_of
from sampan.archive.writer import FileChanged, encode_entry
from sampan.build.dockerignore import ignore_file_names, parse_dockerignore
from sampan.build.files.reading import read_small_file
from sampan.build.patterns import Match, PatternSet
from sampan.client.file_archive import BLOCK, iter_files
from sampan.errors import InvalidArgument, PermissionDenied
from sampan.linux.descent import Descent

_READ_BYTES = 1 << 18
_MAX_IGNORE_BYTES = 4 << 20
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


def iter_context(root: str, *, dockerfile: str, extra: dict[str, bytes] | None = None) -> Iterator[bytes]:
    """The archive, piece by piece; `extra` are files that lie elsewhere, such as a Dockerfile from stdin."""
    patterns = _patterns(root, dockerfile)
    top = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    descent = Descent(top)
    try:
        for found in _walk(descent, patterns, {dockerfile, *ignore_file_names(dockerfile)}):
            yield from _iter_member(*found)
    finally:
        descent.close()
        os.close(top)
    yield from iter_files(extra or {})


def _patterns(root: str, dockerfile: str) -> PatternSet:
    for name in ignore_file_names(dockerfile):
        try:
            data = read_small_file(root, name, _MAX_IGNORE_BYTES)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise InvalidArgument(f"failed to read {name}: {(error.strerror or '').lower()}") from None
        return parse_dockerignore(data.decode("utf-8", "surrogateescape"))
    return parse_dockerignore("")


def _walk(
    descent: Descent, patterns: PatternSet, kept: set[str]
) -> Iterator[tuple[int, str, str, os.stat_result]]:
    """What is to be sent, a folder before what is in it: the directory that it is in, its name there, its path."""
    levels: list[tuple[str, Match | None, Iterator[str]]] = [("", None, _names(descent.fd))]
    while levels:
        prefix, above, names = levels[-1]
        name = next(names, None)
        if name is None:
            levels.pop()
            if levels:
                descent.leave()
            continue
        path, parent = prefix + name, descent.fd
        match = patterns.match(path, above)
        needed = path in kept or any(one.startswith(path + "/") for one in kept)
        try:
            status = os.stat(name, dir_fd=parent, follow_symlinks=False)
            if not match.matched or needed:
                yield parent, name, path, status
            enters = not match.matched or needed or patterns.may_except_below(path)
            if stat.S_ISDIR(status.st_mode) and enters:
                levels.append((path + "/", match, _names(descent.enter(name))))
        except (FileNotFoundError, NotADirectoryError):  # gone since it was listed
            continue
        except PermissionError:
            raise _unreadable(path) from None


def _names(directory: int) -> Iterator[str]:
    return iter(sorted(os.listdir(directory)))


def _iter_member(parent: int, name: str, path: str, status: os.stat_result) -> Iterator[bytes]:
    kind = kind_of(status.st_mode)
    if kind is None:
        return
    size = status.st_size if kind is Kind.FILE else 0
    is_device = kind in (Kind.CHARACTER, Kind.BLOCK)
    header = Entry(
        path + "/" if kind is Kind.DIRECTORY else path,
        kind,
        mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
        size=size,
        mtime_ns=status.st_mtime_ns,
        link=os.readlink(name, dir_fd=parent) if kind is Kind.SYMLINK else "",
        major=os.major(status.st_rdev) if is_device else 0,
        minor=os.minor(status.st_rdev) if is_device else 0,
    )
    if not size:
        yield encode_entry(header)
        return
    try:
        descriptor = os.open(name, _FILE, dir_fd=parent)
    except PermissionError:
        raise _unreadable(path) from None
    try:
        yield encode_entry(header)
        yield from _iter_data(descriptor, path, size)
    finally:
        os.close(descriptor)


def _unreadable(path: str) -> PermissionDenied:
    return PermissionDenied(f"context: no permission to read {path}", hint="leave it out in .dockerignore")


def _iter_data(descriptor: int, path: str, size: int) -> Iterator[bytes]:
    """As many bytes as the header said, whatever the file does meanwhile, and the padding."""
    left = size
    while left:
        data = os.read(descriptor, min(left, _READ_BYTES))
        if not data:
            raise FileChanged(path)
        left -= len(data)
        yield data
    yield bytes(-size % BLOCK)
