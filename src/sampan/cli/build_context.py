# SPDX-License-Identifier: Apache-2.0
"""Where a build's files come from: a folder, an archive on stdin, a lone Dockerfile on stdin, or a URL.

An engine on this machine reads a folder in place (`sampan.client.contexts`); every other engine gets a tar
stream (`build_archive`).
"""

from __future__ import annotations

import os

from sampan.client.contexts import DOCKERFILE, locate_dockerfile, place_folder
from sampan.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TypeAlias

    from sampan.client.query import Parameter

    Query: TypeAlias = dict[str, Parameter]

_STDIN = 0
_READ_BYTES = 1 << 18
_MAX_DOCKERFILE_BYTES = 16 << 20
_SENT_NAME = ".dockerfile.sampan"  # of a Dockerfile that lies outside the context that it is sent with
_URLS = ("http://", "https://", "git://", "git@", "github.com/", "ssh://")
_TAR_MAGIC_AT = 257
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd")


class FolderContext:
    """A folder of this machine; `dockerfile` is a path in it, or an absolute path outside of it."""

    __slots__ = ("_kept", "dockerfile", "path")

    def __init__(self, path: str, dockerfile: str, *, kept: object = None) -> None:
        self.path = path
        self.dockerfile = dockerfile
        self._kept = kept  # a temporary folder lives as long as this

    def place(self) -> Query:
        """The parameters by which the engine finds it."""
        return place_folder(self.path, self.dockerfile)

    def archive(self) -> tuple[Query, Iterable[bytes]]:
        """The parameters and the body by which it is sent."""
        from sampan.cli.build_archive import iter_context

        if not os.path.isabs(self.dockerfile):
            return {"dockerfile": self.dockerfile}, iter_context(self.path, dockerfile=self.dockerfile)
        extra = {_SENT_NAME: _read_dockerfile(self.dockerfile)}
        return {"dockerfile": _SENT_NAME}, iter_context(self.path, dockerfile=DOCKERFILE, extra=extra)


class StreamContext:
    """What came on stdin: an archive as it is, or a Dockerfile, which is then all there is."""

    __slots__ = ("_dockerfile", "_first")

    def __init__(self, first: bytes, dockerfile: str) -> None:
        self._first = first
        self._dockerfile = dockerfile

    def archive(self) -> tuple[Query, Iterable[bytes]]:
        """The parameters and the body by which it is sent."""
        if is_archive(self._first):
            return {"dockerfile": self._dockerfile or DOCKERFILE}, self._iter_stdin()
        from sampan.client.file_archive import iter_files

        return {"dockerfile": DOCKERFILE}, iter_files({DOCKERFILE: b"".join(self._iter_stdin())})

    def _iter_stdin(self) -> Iterator[bytes]:
        yield self._first
        while data := os.read(_STDIN, _READ_BYTES):
            yield data


class UrlContext:
    """A git repository, or an archive or a Dockerfile on a web server: the engine brings it."""

    __slots__ = ("_dockerfile", "_url")

    def __init__(self, url: str, dockerfile: str) -> None:
        self._url = url
        self._dockerfile = dockerfile

    def archive(self) -> tuple[Query, Iterable[bytes]]:
        """The parameters by which it is named, and no body."""
        return {"remote": self._url, "dockerfile": self._dockerfile or DOCKERFILE}, ()


def is_archive(start: bytes) -> bool:
    """Whether bytes begin a tar archive, compressed or not; a Dockerfile is text and does neither."""
    return start.startswith(_COMPRESSED) or start[_TAR_MAGIC_AT : _TAR_MAGIC_AT + 5] == b"ustar"


def open_context(place: str, dockerfile: str) -> FolderContext | StreamContext | UrlContext:
    """The context that PATH | - and ``--file`` name."""
    if place == "-":
        if dockerfile == "-":
            raise InvalidArgument("invalid argument: can't use stdin for both build context and dockerfile")
        return StreamContext(_read_start(), dockerfile)
    if place.startswith(_URLS):
        if dockerfile == "-":
            raise InvalidArgument("a Dockerfile on stdin cannot be used with a context from a URL")
        return UrlContext(place, dockerfile)
    path = os.path.realpath(place)
    if not os.path.exists(path):
        raise InvalidArgument(f'unable to prepare context: path "{place}" not found')
    if not os.path.isdir(path):
        raise InvalidArgument(f"unable to prepare context: context must be a directory: {path}")
    if dockerfile == "-":
        return _with_dockerfile_from_stdin(path)
    return FolderContext(path, locate_dockerfile(path, dockerfile))


def _with_dockerfile_from_stdin(path: str) -> FolderContext:
    """The Dockerfile becomes a file, so that the folder can still be read in place."""
    from tempfile import TemporaryDirectory

    folder = TemporaryDirectory(prefix="sampan-")
    outside = f"{folder.name}/{DOCKERFILE}"
    with open(outside, "wb") as file:
        while data := os.read(_STDIN, _READ_BYTES):
            file.write(data)
    return FolderContext(path, outside, kept=folder)


def _read_dockerfile(path: str) -> bytes:
    """A Dockerfile outside of the context; a FIFO would have us wait."""
    from sampan.build.files.reading import read_small_file

    try:
        return read_small_file("/", path, _MAX_DOCKERFILE_BYTES)
    except OSError as error:
        reason = (error.strerror or "").lower()
        raise InvalidArgument(
            f"failed to read dockerfile: open {path}: {reason}", hint="--file - reads it from stdin"
        ) from None


def _read_start() -> bytes:
    """Enough of stdin to tell an archive from a Dockerfile."""
    start = b""
    while len(start) < 2 * _TAR_MAGIC_AT:
        data = os.read(_STDIN, _READ_BYTES)
        if not data:
            break
        start += data
    return start
