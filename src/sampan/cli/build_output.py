# SPDX-License-Identifier: Apache-2.0
"""Where the result of `build` goes (``--output``): the engine's images, a file, standard output, or a folder.

Implements: docker buildx build, ``--output``. Holds: a file appears whole or not at all; a folder is written only
when all has come.
"""

from __future__ import annotations

import os
from base64 import b64decode

from sampan.cli.mounts import split_csv
from sampan.cli.output import STDOUT
from sampan.errors import Conflict, InvalidArgument, Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any

_FORMS = ("tar", "docker", "oci")


class Output:
    """One output: its form ("" is an image in the engine), its place ("-" is standard output), further tags."""

    __slots__ = ("folder", "form", "place", "tags")

    def __init__(self, form: str = "", place: str = "", *, folder: bool = False, tags: tuple[str, ...] = ()):
        self.form = form
        self.place = place
        self.folder = folder
        self.tags = tags


def parse_output(words: list[str]) -> Output:
    """The one output that is asked for."""
    if not words:
        return Output()
    if len(words) > 1:
        raise Unsupported("--output: several outputs of one build are not supported yet")
    word = words[0]
    if "=" not in word:
        return Output("tar", word, folder=word != "-")
    fields = dict(field.partition("=")[::2] for field in split_csv(word))
    kind, place = fields.get("type", ""), fields.get("dest", "")
    tags = tuple(filter(None, fields.get("name", "").split(",")))
    if kind in ("image", "docker") and not place:
        if fields.get("push", "false") != "false":
            raise Unsupported(f"--output {word}: push the image afterwards")
        return Output(tags=tags)
    if kind == "local":
        if not place:
            raise InvalidArgument("--output type=local: dest is required")
        return Output("tar", place, folder=True)
    if kind not in _FORMS:
        raise Unsupported(f"--output {word}: type={kind} is not supported")
    return Output(kind, place or "-", tags=tags)


class Sink:
    """Takes what the engine sends, piece by piece."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._file: IO[bytes] | None = None
        self._beside = f"{output.place}.{os.getpid()}.partial"
        if output.place == "-" and os.isatty(STDOUT):
            raise Conflict(f"--output type={output.form}: refusing to write an archive to the terminal")

    @property
    def wants_files(self) -> bool:
        """Whether there is to be no image."""
        return self._output.form == "tar"

    def take(self, event: dict[str, Any]) -> None:
        """One piece."""
        if self._file is None:
            self._file = self._open()
        self._file.write(b64decode(event["data"]))

    def close(self, *, complete: bool) -> None:
        """The end: keep it if it is whole."""
        if self._file is None:
            return
        output, file = self._output, self._file
        if output.folder and complete:
            file.seek(0)
            _unpack(file, output.place)
        file.close()
        if not output.folder and output.place != "-":
            os.replace(self._beside, output.place) if complete else os.unlink(self._beside)

    def _open(self) -> IO[bytes]:
        if self._output.folder:
            import tempfile

            return tempfile.TemporaryFile()
        return os.fdopen(os.dup(STDOUT), "wb") if self._output.place == "-" else open(self._beside, "wb")


def _unpack(file: IO[bytes], folder: str) -> None:
    """The files of an archive, over what is in the folder."""
    from sampan.archive.apply import extract_archive

    os.makedirs(folder, exist_ok=True)
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        extract_archive(file, fd)
    finally:
        os.close(fd)
