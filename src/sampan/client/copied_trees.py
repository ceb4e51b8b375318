# SPDX-License-Identifier: Apache-2.0
"""Archives of ``cp``: pack a path of this machine, unpack what a container gave.

An archive from a container is hostile: it is unpacked by `sampan.archive`, which resolves every name inside
the destination. Loaded only when something is copied.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from threading import Thread

from sampan.archive.entry import Entry, Kind
from sampan.archive.extract import Extraction
from sampan.archive.pack import pack_tree
from sampan.archive.reader import TarReader
from sampan.client.copying import Copy
from sampan.client.pieces import iter_descriptor
from sampan.errors import NotFound


def iter_packed(path: str, name: str, *, follow: bool) -> Iterator[bytes]:
    """A tar archive of `path`, made by a thread while it is read here."""
    reader, writer = os.pipe()
    failures: list[BaseException] = []
    followed = follow or path.endswith(("/", "/."))

    def pack() -> None:
        try:
            with open(writer, "wb", buffering=0) as out:
                pack_tree(["/"], os.path.abspath(path), out, name=name, follow=followed)
        except BaseException as error:  # noqa: BLE001 - it is raised again by who reads
            failures.append(error)

    thread = Thread(target=pack, daemon=True)
    thread.start()
    yield from iter_descriptor(reader, close=True)
    thread.join()
    if failures:
        raise failures[0]


def unpack(pieces: Iterable[bytes], copy: Copy, *, base: str, owner: tuple[int, int] | None) -> None:
    """Unpack an archive of `base` into the copy's folder, under the copy's name."""
    try:
        folder = os.open(copy.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise NotFound(f"no such directory: {copy.folder}") from None
    reader = TarReader(_Stream(pieces))
    try:
        with Extraction(folder, owner=owner, keep_kinds=True) as extraction:
            for entry in reader:
                renamed = rename_entry(entry, base, copy.name)
                if renamed.name:
                    extraction.add(renamed, reader)
            extraction.finish()
            reader.drain()
    finally:
        os.close(folder)


def rename_entry(entry: Entry, base: str, name: str) -> Entry:
    """A member under its new name; a hard link names another member, a symbolic link does not."""
    link = rename_member(entry.link, base, name) if entry.kind is Kind.LINK else entry.link
    return replace(entry, name=rename_member(entry.name, base, name), link=link)


def rename_member(member: str, base: str, name: str) -> str:
    """`member` of an archive of `base`, when that becomes `name`; empty for the folder that is there already."""
    parts = [part for part in member.split("/") if part not in ("", ".")]
    if parts and base and parts[0] == base:
        parts = parts[1:]
    return "/".join([name, *parts] if name else parts)


class _Stream:
    """Pieces as something to read from."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._held = b""

    def read(self, size: int, /) -> bytes:
        while not self._held:
            data = next(self._pieces, None)
            if data is None:
                return b""
            self._held = data
        data, self._held = self._held[:size], self._held[size:]
        return data
