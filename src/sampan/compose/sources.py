# SPDX-License-Identifier: Apache-2.0
"""Where a load has come to: which file, what its paths are relative to, which variables it sees."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sampan.compose.errors import ComposeError, Mark, Path
from sampan.errors import SampanError

STDIN = "-"
VALUE_KEY = "x-#value"  # what the variable of a secret or config had where the file was read


_REMOTE = ("https://", "http://", "git://", "ssh://", "oci://", "git@", "github.com/")
_PUBLISHED = "oci://"


def is_remote(path: str) -> bool:
    """Whether a compose file is named that is not on this machine."""
    return path.startswith(_REMOTE)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """How a project is read; each switch is a flag of ``compose config``.

    `fetch` brings a published project here, and gives the path of its compose file.
    """

    interpolate: bool = True
    normalize: bool = True
    resolve_paths: bool = True
    check_consistency: bool = True
    resolve_environment: bool = True
    keep_label_files: bool = True
    home: str = ""
    cwd: str = ""
    warn: Callable[[str], None] = print
    read_stdin: Callable[[], bytes] = lambda: b""
    fetch: Callable[[str], str] | None = None
    seen_versions: set[str] = field(default_factory=set)

    def locate(self, path: str, mark: Mark | None = None, where: Path = ()) -> str:
        """The path of a compose file on this machine: one that was published (``oci://NAME``) is fetched."""
        if path.startswith(_PUBLISHED) and self.fetch is not None:
            try:
                return self.fetch(path.removeprefix(_PUBLISHED))
            except SampanError as error:
                raise ComposeError(
                    f"{path}: {error.message}", mark=mark, path=where, hint=error.hint
                ) from error
        if is_remote(path):
            raise ComposeError(
                f'not supported: compose files from elsewhere: "{path}"',
                mark=mark,
                path=where,
                hint="fetch it first, and name the local file",
            )
        return path

    def read(self, path: str) -> bytes:
        """The content of a file of the project."""
        if path == STDIN:
            return self.read_stdin()
        try:
            with open(path, "rb") as file:
                return file.read()
        except OSError as error:
            raise ComposeError(f"open {path}: {(error.strerror or str(error)).lower()}") from None

    def read_text(self, path: str) -> str:
        """The same, as text."""
        try:
            return self.read(path).decode()
        except UnicodeDecodeError:
            raise ComposeError(f"{path}: invalid UTF-8") from None

    def display(self, path: str) -> str:
        """How people are told a file: from where they are, if it is below that."""
        if path == STDIN:
            return "stdin"
        short = os.path.relpath(path, self.cwd) if self.cwd else path
        return path if short.startswith("..") else short


@dataclass(frozen=True, slots=True)
class Place:
    """`directory` is where files are looked for, `base` what paths are written relative to.

    Both mean the same directory; `base` may be relative to the including project's.
    """

    directory: str
    base: str
    environment: Mapping[str, str]

    def absolute(self, path: str) -> str:
        """A file that is named from here."""
        return os.path.normpath(os.path.join(self.directory, path))

    def relative_directory(self, path: str) -> str:
        """The directory of a file named from here (or the directory itself), seen from here."""
        absolute = self.absolute(path)
        if not os.path.isdir(absolute):
            absolute = os.path.dirname(absolute)
        return os.path.relpath(absolute, self.directory)
