# SPDX-License-Identifier: Apache-2.0
"""Where files of COPY and bind mounts come from, opened as trees.

A context is a folder of the user's, less what its .dockerignore says; owners and attributes mean nothing there.
A stage or an image is a root filesystem, whose owners and attributes are kept.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sampan.build.dockerfile.location import DockerfileError, Location, Misuse, Source
from sampan.build.dockerignore import ignore_file_names, parse_dockerignore
from sampan.build.files.reading import read_small_file
from sampan.build.files.view import open_view
from sampan.build.patterns import PatternSet
from sampan.errors import InvalidArgument, NotFound

_MAX_IGNORE_BYTES = 4 << 20
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class ContextFolder:
    """A build context read in place."""

    path: str
    ignored: PatternSet


@dataclass(frozen=True, slots=True)
class Root:
    """A root filesystem: its snapshot's directories, uppermost first, and the identity of its content."""

    lowers: tuple[str, ...]
    identity: str


Origin = ContextFolder | Root


@dataclass(frozen=True, slots=True)
class OpenOrigin:
    """A tree to read from."""

    fd: int
    ignored: PatternSet
    is_context: bool


@contextmanager
def open_origin(origin: Origin, empty: str) -> Iterator[OpenOrigin]:
    """Open the tree; `empty` is a folder with nothing in it."""
    if isinstance(origin, ContextFolder):
        fd = os.open(origin.path, _DIRECTORY)
        try:
            yield OpenOrigin(fd, origin.ignored, is_context=True)
        finally:
            os.close(fd)
        return
    with open_view(origin.lowers, empty) as fd:
        yield OpenOrigin(fd, PatternSet(()), is_context=False)


def open_context(path: str, *, dockerfile: str = "") -> ContextFolder:
    """A context with its ignore file; a Dockerfile's own ignore file takes the default's place."""
    try:
        os.close(os.open(path, _DIRECTORY))
    except OSError as error:
        raise NotFound(f"unable to prepare context: path {path!r}: {os.strerror(error.errno or 0)}") from None
    names = ignore_file_names(dockerfile) if dockerfile else (".dockerignore",)
    for name in names:
        if (ignored := read_ignore_file(path, name)) is not None:
            return ContextFolder(path, ignored)
    return ContextFolder(path, PatternSet(()))


def read_ignore_file(folder: str, name: str) -> PatternSet | None:
    """The patterns of an ignore file, None if it is not there."""
    text = read_ignore_text(folder, name)
    if text is None:
        return None
    try:
        return parse_dockerignore(text)
    except Misuse as error:
        raise DockerfileError(error.reason, source=Source(name, text), location=Location(1, 1)) from None


def read_ignore_text(folder: str, name: str) -> str | None:
    """The text of an ignore file, None if it is not there."""
    try:
        data = read_small_file(folder, name, _MAX_IGNORE_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:  # without it, more than is meant would be sent
        raise InvalidArgument(f"failed to read {name}: {(error.strerror or '').lower()}") from None
    return data.decode("utf-8", "surrogateescape")
