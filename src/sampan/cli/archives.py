# SPDX-License-Identifier: Apache-2.0
"""Archives between the engine and a file or a pipe: ``save``, ``export``, ``load``, ``import``."""

from __future__ import annotations

import os

from sampan.cli.output import STDOUT, write_all
from sampan.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sampan.cli.output import Output

STDIN = 0


def write_archive(out: Output, path: str, open_archive: Callable[[], Iterable[bytes]], *, verb: str) -> None:
    """Stream into `path`, which appears when it is complete, or into stdout unless that is a terminal."""
    if not path:
        if out.is_terminal:
            raise InvalidArgument(f"cowardly refusing to {verb} to a terminal. Use the -o flag or redirect")
        for data in open_archive():
            write_all(STDOUT, data)
    elif os.path.lexists(path) and not os.path.isfile(path):
        _write_special(path, open_archive())
    else:
        _write_whole(path, open_archive)


def _write_special(path: str, pieces: Iterable[bytes]) -> None:
    """A pipe or device is written as it is: there is nothing to put in its place."""
    if os.path.isdir(path):
        raise InvalidArgument(f"invalid output path: {path} is a directory")
    with open(path, "wb", buffering=0) as file:
        for data in pieces:
            write_all(file.fileno(), data)


def _write_whole(path: str, open_archive: Callable[[], Iterable[bytes]]) -> None:
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        raise InvalidArgument(f'invalid output path: directory "{folder}" does not exist')
    beside = f"{path}.{os.getpid()}.partial"
    descriptor = -1
    try:
        pieces = open_archive()  # refuses unknown names before there is any file
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        for data in pieces:
            write_all(descriptor, data)
        os.replace(beside, path)
    except BaseException:
        if descriptor >= 0:
            os.unlink(beside)
        raise
    finally:
        if descriptor >= 0:
            os.close(descriptor)
