# SPDX-License-Identifier: Apache-2.0
"""Bundles: everything that a machine without a network needs, in one file.

A bundle is a tar: an OCI image layout with the images (so ``oci-archive:`` of any tool reads it), ``bundle.json``,
which says what is in it, and folders beside:

    packages/SUITE/     the .deb packages of bases with their index, for ``bootstrap --mirror``
    scan/               vulnerability data for scans, as they were given

Holds: a name in a bundle is looked up in the archive; what is unpacked goes below one folder, whatever it is called.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

from sampan.archive.apply import extract_archive
from sampan.archive.entry import Entry, Kind
from sampan.archive.extract import clean_name
from sampan.archive.writer import encode_entry
from sampan.errors import InvalidArgument
from sampan.oci.document import InvalidDocument, decode_object, encode_object, get_integer, get_strings
from sampan.transport.files import ArchiveFiles, read_file
from sampan.transport.layout import write_whole
from sampan.transport.oci_archive import pack_layout

VERSION = 1
DESCRIPTION = "bundle.json"
PACKAGES = "packages"
SCAN = "scan"
_MAX_BYTES = 1 << 20
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Contents:
    """The names of its images, the recipes whose packages it has, and the suites that those are of."""

    images: tuple[str, ...] = ()
    bases: tuple[str, ...] = ()
    suites: tuple[str, ...] = ()


def write_bundle(path: str, layout: str, extra: str, contents: Contents) -> None:
    """Pack a layout and the folders in `extra`; the file takes its name when it is whole."""
    fields = {
        "bundleVersion": VERSION,
        "images": list(contents.images),
        "bases": list(contents.bases),
        "suites": list(contents.suites),
    }
    write_whole(f"{extra}/{DESCRIPTION}", encode_object(fields))
    beside = f"{path}.{os.getpid()}.partial"
    try:
        with open(beside, "wb") as out:
            pack_layout(layout, out, extra)
            out.flush()
            os.fsync(out.fileno())
        os.replace(beside, path)
    except BaseException:
        if os.path.exists(beside):
            os.unlink(beside)
        raise


def read_contents(files: ArchiveFiles) -> Contents:
    """What is in a bundle."""
    if not files.has(DESCRIPTION):
        raise InvalidArgument(f"{files.path} is not a bundle: it has no {DESCRIPTION}")
    source = decode_object(read_file(files, DESCRIPTION, _MAX_BYTES), DESCRIPTION)
    if get_integer(source, "bundleVersion", DESCRIPTION) != VERSION:
        raise InvalidDocument(f"{files.path}: bundle of an unknown version", hint="a newer Sampan reads it")
    images, bases, suites = (get_strings(source, key, DESCRIPTION) for key in ("images", "bases", "suites"))
    return Contents(images, bases, suites)


def unpack_folder(files: ArchiveFiles, name: str, target: str) -> int:
    """The files of one of the folders beside the layout, below `target`; how many they are."""
    members = [member for member in files.names() if clean_name(member).startswith(f"{name}/")]
    for member in members:
        _unpack_file(files, member, member[len(name) + 1 :], target)
    return len(members)


def _unpack_file(files: ArchiveFiles, member: str, name: str, target: str) -> None:
    """By way of the archive reader's own extraction, which lets no name out of the folder."""
    os.makedirs(target, exist_ok=True)
    root = os.open(target, _DIRECTORY)
    try:
        with files.open(member) as file:
            size = files.size(member)
            head = encode_entry(Entry(name, Kind.FILE, size=size))
            owner = (os.geteuid(), os.getegid())
            extract_archive(
                _Joined(BytesIO(head), file, BytesIO(bytes(1024 + -size % 512))), root, owner=owner
            )
    finally:
        os.close(root)


class _Joined:
    """Streams one after the other."""

    def __init__(self, *streams: object) -> None:
        self._streams: Sequence[object] = streams

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes of the first that has any."""
        while self._streams:
            data: bytes = self._streams[0].read(size)  # type: ignore[attr-defined]
            if data:
                return data
            self._streams = self._streams[1:]
        return b""
