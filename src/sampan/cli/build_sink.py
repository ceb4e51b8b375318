# SPDX-License-Identifier: Apache-2.0
"""What the engine sends of a build's result, written where the user wants it: a file, standard output, or a folder.

Holds: a file appears whole or not at all, and a folder is written only when all has come; but what is no regular file
(/dev/null, a pipe) is written to as it comes.
"""

from __future__ import annotations

import os
import stat
from base64 import b64decode

from sampan.cli.output import STDOUT
from sampan.errors import Conflict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any

    from sampan.cli.build_output import Output

_NAMES = ("io.containerd.image.name", "org.opencontainers.image.ref.name")


class Sinks:
    """The places of all outputs of one build, by their numbers."""

    def __init__(self, outputs: list[Output]) -> None:
        self._sinks = {number: Sink(output) for number, output in enumerate(outputs) if output.place}
        self.wants_image = not outputs or any(output.is_image for output in outputs)

    def take(self, event: dict[str, Any]) -> None:
        """One piece of one output."""
        self._sinks[event["number"]].take(event)

    def close(self, *, complete: bool) -> None:
        """The end: keep what is whole."""
        for sink in self._sinks.values():
            sink.close(complete=complete)


class Sink:
    """Takes one output, piece by piece."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._file: IO[bytes] | None = None
        self._beside = f"{output.place}.{os.getpid()}.partial"
        self._is_direct = output.place == "-" or _is_special(output.place)
        if output.place == "-" and os.isatty(STDOUT):
            raise Conflict(f"--output type={output.kind}: refusing to write an archive to the terminal")

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
            unpack = _unpack_layout if output.folder == "layout" else _unpack
            unpack(file, output.place)
        file.close()
        if not output.folder and not self._is_direct:
            os.replace(self._beside, output.place) if complete else os.unlink(self._beside)

    def _open(self) -> IO[bytes]:
        if self._output.folder:
            import tempfile

            return tempfile.TemporaryFile()
        if self._output.place == "-":
            return os.fdopen(os.dup(STDOUT), "wb")
        return open(self._output.place if self._is_direct else self._beside, "wb")


def _is_special(path: str) -> bool:
    """Whether something is there that must not be replaced: a device, a pipe; a folder, which open refuses."""
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return False


def _unpack(file: IO[bytes], folder: str) -> None:
    """The files of an archive, over what is in the folder."""
    from sampan.archive.apply import extract_archive

    os.makedirs(folder, exist_ok=True)
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        extract_archive(file, fd)
    finally:
        os.close(fd)


def _unpack_layout(file: IO[bytes], folder: str) -> None:
    """An OCI layout into a folder: images that are there under other names stay."""
    from sampan.client.jsontext import decode_json, encode_json

    index = f"{folder}/index.json"
    before = _read(index)
    _unpack(file, folder)
    if before is None:
        return
    document: Any = decode_json(_read(index) or b"{}")
    known = {_name(line) for line in document["manifests"]} | {""}
    others = [line for line in decode_json(before).get("manifests") or () if _name(line) not in known]
    document["manifests"] = [*others, *document["manifests"]]
    with open(f"{index}.new", "wb") as written:
        written.write(encode_json(document))
    os.replace(f"{index}.new", index)


def _name(line: dict[str, Any]) -> str:
    annotations = line.get("annotations") or {}
    return next((annotations[name] for name in _NAMES if annotations.get(name)), "")


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None
