# SPDX-License-Identifier: Apache-2.0
"""Layer tars into directories, and other archives into root filesystems.

Implements: OCI image-spec 1.1, layer.md, "Applying Changesets".
Holds: a whiteout speaks of the layers below only: it never removes what its own layer brings, in whatever
order the two come. The diff ID is that of every byte of the uncompressed stream.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sampan.archive import whiteout
from sampan.archive.compression import buffered, open_decompressed
from sampan.archive.digesting import DigestReader
from sampan.archive.entry import Entry, InvalidArchive
from sampan.archive.extract import Extraction, Limits, bounded_time, failure
from sampan.archive.merged import MergedTree, children
from sampan.archive.read_ahead import ReadAhead
from sampan.archive.reader import Readable, TarReader
from sampan.oci.digest import Digest

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Applied:
    """What an archive turned out to be."""

    diff_id: Digest
    size_bytes: int
    entries: int


def apply_layer(
    stream: Readable,
    target: int,
    *,
    lowers: Sequence[str] = (),
    is_layered: bool = True,
    limits: Limits | None = None,
    progress: Callable[[int], None] | None = None,
) -> Applied:
    """Unpack a layer, compressed or not, into the open directory `target`.

    Layered: `target` becomes an overlayfs upper directory on `lowers` (uppermost first). Otherwise `target`
    has the whole tree of the layers below, and whiteouts remove from it. `progress` is told the uncompressed
    bytes so far.
    """
    digesting = DigestReader(
        open_decompressed(stream), limit_bytes=limits.max_stream_bytes if limits else None
    )
    with (
        ReadAhead(digesting) as ahead,
        Extraction(target, lowers=lowers, is_layered=is_layered, limits=limits) as extraction,
    ):
        reader = TarReader(buffered(ahead))
        whiteouts = _Overlay(extraction) if is_layered else _Removal(extraction)
        for entry in reader:
            _apply_entry(entry, reader, extraction, whiteouts)
            if progress is not None:
                progress(digesting.size_bytes)
        extraction.finish()
        reader.drain()
        return Applied(digesting.digest, extraction.size_bytes, extraction.entries)


def extract_archive(
    stream: Readable,
    root: int,
    *,
    path: str = "/",
    lowers: Sequence[str] = (),
    owner: tuple[int, int] | None = None,
    keep_kinds: bool = False,
    limits: Limits | None = None,
) -> Applied:
    """Unpack any archive, compressed or not, at `path` inside the open directory `root`.

    `owner` replaces the owners in the archive. `keep_kinds` refuses to put a file in place of a directory and
    the other way round. With `lowers`, `root` is an overlayfs upper directory that is not mounted.
    """
    digesting = DigestReader(
        open_decompressed(stream), limit_bytes=limits.max_stream_bytes if limits else None
    )
    reader = TarReader(buffered(digesting))
    with Extraction(
        root, base=path, lowers=lowers, owner=owner, keep_kinds=keep_kinds, limits=limits
    ) as extraction:
        for entry in reader:
            extraction.add(entry, reader)
        extraction.finish()
        reader.drain()
        return Applied(digesting.digest, extraction.size_bytes, extraction.entries)


def _apply_entry(
    entry: Entry, reader: TarReader, extraction: Extraction, whiteouts: _Overlay | _Removal
) -> None:
    path = extraction.path_of(entry.name)
    parent, _, name = path.rpartition("/")
    if not name.startswith(whiteout.PREFIX):
        extraction.add(entry, reader)
        whiteouts.made(path)
        return
    extraction.directories.release()
    try:
        if name == whiteout.OPAQUE:
            whiteouts.hide_all(parent)
        elif not name.startswith(whiteout.META_PREFIX):
            whiteouts.hide(parent, _hidden_name(entry, name), bounded_time(entry.mtime_ns))
    except OSError as error:
        raise failure(entry, error) from error


def _hidden_name(entry: Entry, name: str) -> str:
    """What a whiteout hides; ``.wh...`` would be the directory outside."""
    hidden = name.removeprefix(whiteout.PREFIX)
    if hidden in ("", ".", ".."):
        raise InvalidArchive(f"archive member {entry.name} is a whiteout of nothing")
    return hidden


class _Overlay:
    """Whiteouts as overlayfs wants them in an upper directory."""

    def __init__(self, extraction: Extraction) -> None:
        self._directories = extraction.directories

    def made(self, path: str) -> None:
        """Nothing to remember: the directory holds only what this layer brings."""

    def hide(self, parent: str, name: str, mtime_ns: int) -> None:
        """Hide a name of the layers below."""
        parent_fd = self._directories.open(parent)
        try:
            whiteout.make_whiteout(name, dir_fd=parent_fd)
            os.utime(name, ns=(mtime_ns, mtime_ns), dir_fd=parent_fd, follow_symlinks=False)
        except FileExistsError:
            # This layer has brought the name already. A directory must not merge with the one below.
            if stat.S_ISDIR(os.stat(name, dir_fd=parent_fd, follow_symlinks=False).st_mode):
                self._set_opaque(name, parent_fd)

    def hide_all(self, parent: str) -> None:
        """Hide all that the layers below have in a directory."""
        if parent:
            self._set_opaque(".", self._directories.open(parent))
            return
        # overlayfs does not look whether its root is opaque, so each name there is hidden by itself.
        if not self._directories.lowers:
            return
        with MergedTree(self._directories.lowers) as tree, tree.open_node("/") as root:
            for name in children(root):
                self.hide("", name, 0)

    def _set_opaque(self, name: str, parent_fd: int) -> None:
        fd = os.open(name, _DIRECTORY, dir_fd=parent_fd)
        try:
            whiteout.set_opaque(fd)
        finally:
            os.close(fd)


class _Removal:
    """Whiteouts as removal from a tree that holds everything."""

    def __init__(self, extraction: Extraction) -> None:
        self._extraction = extraction
        self._made: set[str] = set()

    def made(self, path: str) -> None:
        """Remember that this layer brings this path, and so its parents."""
        while path and path not in self._made:
            self._made.add(path)
            path = path.rpartition("/")[0]

    def hide(self, parent: str, name: str, _mtime_ns: int) -> None:
        """Remove a name of the layers below."""
        path = f"{parent}/{name}".lstrip("/")
        parent_fd = self._extraction.directories.open(parent)
        if path not in self._made:
            self._extraction.clear(parent_fd, path, name)
        elif stat.S_ISDIR(os.stat(name, dir_fd=parent_fd, follow_symlinks=False).st_mode):
            self.hide_all(path)

    def hide_all(self, parent: str) -> None:
        """Remove everything in a directory that this layer has not brought."""
        fd = os.open(".", _DIRECTORY, dir_fd=self._extraction.directories.open(parent))
        try:
            for name in os.listdir(fd):
                self.hide(parent, name, 0)
        finally:
            os.close(fd)
