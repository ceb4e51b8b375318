# SPDX-License-Identifier: Apache-2.0
"""A client's content store, a folder of its own that it reads and writes for us: caches and layouts lie there.

Implements: containerd's content service over BuildKit's session. The client names the store's content in its
index.json itself, of what the build's answer tells it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from secrets import token_hex

from sampan.buildkit.messages.content import (
    COMMIT_ACTION,
    INFO,
    READ,
    STORE_ID,
    WRITE,
    WRITE_ACTION,
    InfoRequest,
    InfoResponse,
    ReadRequest,
    ReadResponse,
    WriteRequest,
    WriteResponse,
)
from sampan.buildkit.rpc import call_unary, open_call
from sampan.buildkit.session import Session
from sampan.errors import NotFound, SampanError
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest, parse_digest
from sampan.oci.document import MAX_DOCUMENT_BYTES
from sampan.oci.raw_manifest import RawManifest
from sampan.transport.checked import bytes_blob, iter_checked, read_blob
from sampan.transport.layout import kind_of
from sampan.transport.model import Abilities, Blob, Sent

EXPORT = "export"
_PIECE_BYTES = 1 << 20


class ClientStore:
    """One store, by the name that the client knows it by."""

    def __init__(self, session: Session, name: str) -> None:
        session.require(WRITE)
        self._connection = session.connection
        self._metadata = [(STORE_ID, name)]

    async def size(self, digest: Digest) -> int | None:
        """A blob's length, None if it is not there."""
        request = InfoRequest(str(digest))
        try:
            found = await call_unary(self._connection, INFO, request, InfoResponse, self._metadata)
        except NotFound:
            return None
        return found.info.size if found.info is not None else None

    async def read(self, digest: Digest, start: int) -> AsyncIterator[bytes]:
        """A blob's bytes from one on."""
        async with open_call(self._connection, READ, ReadResponse, self._metadata) as call:
            await call.send(ReadRequest(str(digest), start))
            await call.stream.end()
            while (piece := await call.receive()) is not None:
                yield piece.data

    async def write(self, blob: Blob) -> None:
        """Put a blob there, checked; one that is there already stays as it is."""
        described = blob.descriptor
        ref, total, expected = f"sampan-{token_hex(8)}", described.size, str(described.digest)
        async with open_call(self._connection, WRITE, WriteResponse, self._metadata) as call:
            offset = 0
            try:
                async for data in iter_checked(blob):
                    for start in range(0, len(data), _PIECE_BYTES):
                        piece = data[start : start + _PIECE_BYTES]
                        await call.send(WriteRequest(WRITE_ACTION, ref, total, expected, offset, piece))
                        await call.receive()
                        offset += len(piece)
                await call.send(WriteRequest(COMMIT_ACTION, ref, total, expected, offset))
                await call.stream.end()
                while await call.receive() is not None:
                    pass
            except SampanError:
                if await self.size(described.digest) != total:  # somebody else was quicker
                    raise


class StoreSink:
    """A transport's Sink; `root` is what it was to name, for the client to do that."""

    abilities = Abilities()

    def __init__(self, store: ClientStore) -> None:
        self._store = store
        self.root: Descriptor | None = None

    async def has(self, blob: Descriptor) -> bool:
        """Whether it is there already."""
        return await self._store.size(blob.digest) is not None

    async def put(self, blob: Blob, sent: Sent) -> str:
        """Write it."""
        if not await self.has(blob.descriptor):
            await self._store.write(blob)
        sent(blob.descriptor.size)
        return "Copied"

    async def put_manifest(self, document: RawManifest, tag: str | None = None) -> None:
        """Write it; tags are the client's business."""
        del tag
        described = Descriptor.of(document.raw, document.media_type)
        await self.put(bytes_blob(described, document.raw), lambda _: None)

    async def put_root(self, document: RawManifest) -> None:
        """Write it, and remember it."""
        await self.put_manifest(document)
        self.root = Descriptor.of(document.raw, document.media_type)

    async def finish(self) -> None:
        """Blobs are there when they have been written."""

    async def close(self) -> None:
        """The session stays."""


class StoreSource:
    """A transport's Source: the manifest of a digest, and what it names."""

    keeps_digests = True

    def __init__(self, store: ClientStore, root: Digest) -> None:
        self._store = store
        self._root = root

    async def root(self) -> RawManifest:
        """What the client says."""
        return await self.manifest(self._root)

    async def manifest(self, digest: Digest) -> RawManifest:
        """A document by its digest."""
        size = await self._store.size(digest)
        if size is None:
            raise NotFound(f"{digest}: not found in the client's folder")
        raw = await read_blob(self.blob(Descriptor("", digest, size)), MAX_DOCUMENT_BYTES)
        return RawManifest(raw, kind_of(raw))

    def blob(self, descriptor: Descriptor) -> Blob:
        """Read as often as it is needed."""
        return Blob(descriptor, lambda start: self._store.read(descriptor.digest, start))

    async def referrers(self, digest: Digest) -> Sequence[Descriptor]:
        """None are known."""
        del digest
        return ()

    async def tagged(self, tag: str) -> RawManifest | None:
        """There are no tags."""
        del tag
        return None

    async def close(self) -> None:
        """The session stays."""


class ClientFolder:
    """A folder of the client's with caches in it: an OwnPlace. `digest` is the one to read."""

    def __init__(self, session: Session, path: str, digest: str = "") -> None:
        self.name = path
        self._store = ClientStore(session, f"local:{path}")
        self._digest = digest
        self._sink = StoreSink(self._store)

    @property
    def written(self) -> Descriptor | None:
        """The cache that has been written, for the client to name."""
        return self._sink.root

    def open_source(self) -> StoreSource:
        """For reading."""
        if not self._digest:
            raise NotFound(f"{self.name}: the client names no cache in it")
        return StoreSource(self._store, parse_digest(self._digest))

    def open_sink(self) -> StoreSink:
        """For writing."""
        return self._sink
