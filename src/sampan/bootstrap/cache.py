# SPDX-License-Identifier: Apache-2.0
"""Built archives, kept so that the second bootstrap of a recipe is a copy.

Holds: an entry's name is made of everything that decides its content except the state of Debian's archive,
and an entry appears whole or not at all. Entries are docker-archives, compressed with zstd.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO

import zstandard

from sampan.bootstrap.recipe import Recipe

# Goes into every key: a change of how recipes are carried out makes the older entries unreachable.
FORMAT = "2"


def default_cache_directory(environ: Mapping[str, str]) -> str:
    """Below XDG_CACHE_HOME, or ~/.cache."""
    base = environ.get("XDG_CACHE_HOME") or os.path.join(environ.get("HOME", "/root"), ".cache")
    return os.path.join(base, "sampan", "bootstrap")


def cache_key(recipe: Recipe, *, machine: str, sources: tuple[str, ...]) -> str:
    """The file name of a recipe's archive."""
    facts = repr((FORMAT, recipe, machine, sources)).encode()
    name = recipe.name.replace(":", "-").replace("/", "-")
    return f"{name}-{hashlib.sha256(facts).hexdigest()[:16]}.tar.zst"


class ArchiveCache:
    """A directory of archives."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def path(self, key: str) -> str:
        """Where the archive of this key is or would be."""
        return os.path.join(self._directory, key)

    def age_s(self, key: str, *, now: float) -> float | None:
        """How old the entry is, None where there is none."""
        try:
            return max(0.0, now - os.stat(self.path(key)).st_mtime)
        except FileNotFoundError:
            return None

    @contextmanager
    def open_writer(self, key: str) -> Iterator[IO[bytes]]:
        """Write an entry; it takes its name when the block ends well."""
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self._directory, prefix=".new-", delete=False) as file:
            try:
                with zstandard.ZstdCompressor(level=3, threads=-1).stream_writer(file, closefd=False) as out:
                    yield out
                file.flush()
                os.fsync(file.fileno())
                os.rename(file.name, self.path(key))
            except BaseException:
                os.unlink(file.name)
                raise

    @contextmanager
    def open_reader(self, key: str) -> Iterator[IO[bytes]]:
        """The archive as an uncompressed stream."""
        with open(self.path(key), "rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as reader:
            yield reader
