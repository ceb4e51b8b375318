# SPDX-License-Identifier: Apache-2.0
"""``--env``, ``--env-file``, ``--label`` and ``--label-file``, as docker reads them.

A file has one ``NAME=value`` a line: blanks before the name are dropped, lines that are empty or begin with
``#`` too, and nothing is unquoted. A name without ``=`` takes its value from the client's environment; where
it is not set, a file's line is dropped and a flag's word is kept (the engine then unsets the variable).
"""

from __future__ import annotations

import os

from sampan.cli.sizes import read_flag
from sampan.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_BLANKS = " \t"


def read_environment(files: Iterable[str], words: Iterable[str], environ: Mapping[str, str]) -> list[str]:
    """The variables of all files, then those of the flags."""
    lines = []
    for path in files:
        lines += read_env_file(path, environ)
    return lines + [
        read_flag("-e, --env", word, lambda text: resolve_variable(text, environ)) for word in words
    ]


def resolve_variable(word: str, environ: Mapping[str, str]) -> str:
    """``NAME=value`` as it is; ``NAME`` with the value that the client has, if it has one."""
    name, equals, _ = word.partition("=")
    if not name:
        raise InvalidArgument(f"invalid environment variable: {word}")
    return word if equals or name not in environ else f"{name}={environ[name]}"


def read_env_file(path: str, environ: Mapping[str, str]) -> list[str]:
    """The variables of one file."""
    lines = []
    for line in read_key_values(path):
        name, equals, _ = line.partition("=")
        if equals:
            lines.append(line)
        elif name in environ:
            lines.append(f"{name}={environ[name]}")
    return lines


def read_key_values(path: str) -> list[str]:
    """The lines of a file of names and values that are neither empty nor comments."""
    lines = []
    for number, raw in enumerate(_read_file(path).split(b"\n"), start=1):
        try:
            line = str(raw.removesuffix(b"\r"), "utf-8").lstrip(_BLANKS)
        except UnicodeDecodeError:
            raise InvalidArgument(
                f"invalid env file ({path}): invalid utf8 bytes at line {number}: {list(raw)}".replace(
                    ",", ""
                )
            ) from None
        if line and not line.startswith("#"):
            lines.append(_checked(path, line))
    return lines


def _read_file(path: str) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            return file.read().removeprefix(b"\xef\xbb\xbf")
    except OSError as error:
        raise InvalidArgument(f"open {path}: {(error.strerror or str(error)).lower()}") from error


def _checked(path: str, line: str) -> str:
    name, _, _ = line.partition("=")
    if not name:
        raise InvalidArgument(f"invalid env file ({path}): no variable name on line '{line}'")
    if any(blank in name for blank in _BLANKS):
        raise InvalidArgument(f"invalid env file ({path}): variable '{name}' contains whitespaces")
    return line


def read_labels(files: Iterable[str], words: Iterable[str]) -> dict[str, str]:
    """The labels of all files, then those of the flags, as a map."""
    lines = [line for path in files for line in read_key_values(path)]
    return to_map([*lines, *(read_flag("-l, --label", word, _label) for word in words)])


def _label(word: str) -> str:
    if not word.partition("=")[0].strip():
        raise InvalidArgument(f"invalid label '{word}': empty name")
    return word


def to_map(words: Iterable[str]) -> dict[str, str]:
    """``name=value`` words as a map; a name alone has the empty value."""
    pairs = (word.partition("=") for word in words)
    return {name: value for name, _, value in pairs}
