# SPDX-License-Identifier: Apache-2.0
"""The members of an image archive, set aside as blobs until it is known what they are.

An archive names its layers before, between or after them, so it is read once, in order, into the content store.
Holds: memory grows with the number of members only, which is limited; a name is looked up in the archive and
never on disk; a member below ``blobs/`` has the digest that its name says. Tars are compressed on the way, for
they are to be kept.
"""

from __future__ import annotations

import posixpath
from contextlib import ExitStack
from dataclasses import dataclass

from sampan.archive.compression import detect_compression, open_decompressed
from sampan.archive.digesting import DigestWriter
from sampan.archive.entry import ArchiveRefused, Entry, InvalidArchive, Kind
from sampan.archive.extract import clean_name
from sampan.archive.packing import GzipWriter
from sampan.archive.reader import CHUNK_BYTES, Readable, TarReader
from sampan.content.store import ContentStore
from sampan.oci.digest import HEX_LENGTHS, Digest, DigestMismatch

MAX_MEMBERS = 100_000
_MAX_LINKS = 8
_TAR_MAGIC = b"ustar"
_TAR_MAGIC_AT = 257


@dataclass(frozen=True, slots=True)
class Member:
    """A file of the archive: what it was, and the blob that has it (compressed, if it was a plain tar)."""

    digest: Digest
    size: int
    blob: Digest
    blob_size: int
    compression: str


class Staging:
    """One archive's files by name; links among them are followed."""

    def __init__(self, content: ContentStore) -> None:
        self._content = content
        self._members: dict[str, Member] = {}
        self._links: dict[str, str] = {}
        self._blobs: set[Digest] = set()
        self.leases = ExitStack()
        """To be closed when what was set aside has owners, or is not needed any more."""

    def fill(self, stream: Readable) -> None:
        """Read the whole archive, compressed or not."""
        reader = TarReader(open_decompressed(stream))
        for entry in reader:
            if len(self._members) + len(self._links) >= MAX_MEMBERS:
                raise ArchiveRefused(f"image archive has more than {MAX_MEMBERS} members")
            self._take(entry, reader)
        reader.drain()

    def find(self, name: str) -> Member | None:
        """The file of this name, through links."""
        name = clean_name(name)
        for _ in range(_MAX_LINKS):
            if name in self._members:
                return self._members[name]
            if name not in self._links:
                return None
            name = self._links[name]
        return None

    def require(self, name: str) -> Member:
        """The file of this name, which something in the archive speaks of."""
        member = self.find(name)
        if member is None:
            raise InvalidArchive(f"image archive has no {name}")
        return member

    def read(self, name: str) -> bytes:
        """A document."""
        return self._content.read(self.require(name).blob)

    def blobs(self) -> set[Digest]:
        """Everything that was set aside."""
        return self._blobs

    def _take(self, entry: Entry, reader: TarReader) -> None:
        name = clean_name(entry.name)
        match entry.kind:
            case Kind.FILE if entry.segments is None:
                self._members[name] = self._keep(name, reader)
            case Kind.SYMLINK:
                self._links[name] = clean_name(posixpath.join(posixpath.dirname(name), entry.link))
            case Kind.LINK:
                self._links[name] = clean_name(entry.link)
            case Kind.DIRECTORY:
                pass
            case _:
                raise ArchiveRefused(f"image archive has {entry.name}, which is not a plain file")

    def _keep(self, name: str, reader: TarReader) -> Member:
        start = reader.read(CHUNK_BYTES)
        while len(start) <= _TAR_MAGIC_AT + len(_TAR_MAGIC) and (more := reader.read(CHUNK_BYTES)):
            start += more
        is_tar = start[_TAR_MAGIC_AT:].startswith(_TAR_MAGIC)
        expected = _digest_in(name)
        with self._content.writer() as blob:
            packer = GzipWriter(blob) if is_tar else None
            original = DigestWriter(packer or blob, expected.algorithm if expected else "sha256")
            original.write(start)
            for chunk in reader.chunks():
                original.write(chunk)
            if packer is not None:
                packer.close()
            if expected is not None and original.digest != expected:
                raise DigestMismatch(expected, original.digest)
            size = blob.size_bytes
            self.leases.enter_context(self._content.lease([blob.digest]))
            digest = blob.commit(durable=False)
            self._blobs.add(digest)
        compression = "gzip" if is_tar else detect_compression(start)
        return Member(original.digest, original.size_bytes, digest, size, compression)


def _digest_in(name: str) -> Digest | None:
    """The digest that ``blobs/sha256/…`` promises."""
    parts = name.split("/")
    if len(parts) == 3 and parts[0] == "blobs" and HEX_LENGTHS.get(parts[1]) == len(parts[2]):
        return Digest(parts[1], parts[2])
    return None
