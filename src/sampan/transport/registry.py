# SPDX-License-Identifier: Apache-2.0
"""Registries: ``docker://NAME[:TAG|@DIGEST]``.

A source asks mirrors first, as a pull does; a sink takes blobs over from other repositories of its registry, and what
comes from elsewhere passes through without touching a disk.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import cast

from sampan.content.pieces import iter_pieces
from sampan.errors import NotFound, SampanError
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest
from sampan.oci.raw_manifest import RawManifest
from sampan.oci.reference import Reference
from sampan.registry.endpoints import Endpoint
from sampan.registry.repository import Repository
from sampan.transport.checked import iter_checked
from sampan.transport.model import Abilities, Blob, Sent


class RegistrySource:
    """An image on a registry, or on the first of its mirrors that has it."""

    keeps_digests = True

    def __init__(self, repositories: Sequence[Repository], reference: Reference) -> None:
        self._repositories = repositories
        self._reference = reference
        self._chosen = repositories[-1]

    @property
    def endpoint(self) -> Endpoint:
        """Where it is read."""
        return self._chosen.endpoint

    async def root(self) -> RawManifest:
        """What tag or digest stand for."""
        name = str(self._reference.digest or self._reference.tag or "")
        for repository in self._repositories[:-1]:
            try:
                fetched = await repository.manifest(name)
            except SampanError:
                continue  # a mirror need not have it, nor be there
            self._chosen = repository
            return fetched
        try:
            return await self._repositories[-1].manifest(name)
        except NotFound as error:
            raise NotFound(f"{self._reference.familiar()}: {error.message}") from error

    async def manifest(self, digest: Digest) -> RawManifest:
        """From where the root came."""
        return await self._chosen.manifest(str(digest))

    def blob(self, descriptor: Descriptor) -> Blob:
        """A download that resumes by itself."""
        return Blob(descriptor, lambda start: self._chosen.stream(descriptor, start), self._chosen)

    async def referrers(self, digest: Digest) -> Sequence[Descriptor]:
        """The registry's list."""
        return await self._chosen.referrers(digest)

    async def tagged(self, tag: str) -> RawManifest | None:
        """A neighbour's tag."""
        try:
            return await self._chosen.manifest(tag)
        except NotFound:
            return None

    async def close(self) -> None:
        """Connections are the registries' own."""


class RegistrySink:
    """A name on a registry."""

    abilities = Abilities()

    def __init__(self, repository: Repository, reference: Reference) -> None:
        self._repository = repository
        self._reference = reference

    async def has(self, blob: Descriptor) -> bool:
        """Whether the repository has it."""
        return await self._repository.has(blob.digest)

    async def put(self, blob: Blob, sent: Sent) -> str:
        """Mounted if it is next door, else sent on while it comes."""
        origin = cast("Repository | None", blob.origin)
        if origin is not None and self._is_neighbour(origin):
            near = origin.endpoint.repository
            if await self._repository.mount(blob.descriptor, near):
                return f"Mounted from {near}"
        coming = _Coming(blob)
        try:
            await self._repository.upload_parts(blob.descriptor, coming.part, sent)
        except SampanError:
            coming.raise_failure()
            raise
        return "Copied"

    async def put_manifest(self, document: RawManifest, tag: str | None = None) -> None:
        """By digest, or by a tag of its own; a referrer gets into the list of its subject."""
        subject = None if tag else document.subject
        if subject is not None:
            await self._repository.put_referrer(subject.digest, document.raw, document.listed)
        else:
            name = tag or str(document.digest)
            await self._repository.put_manifest(name, document.raw, document.media_type)

    async def put_root(self, document: RawManifest) -> None:
        """By the name that was asked for."""
        name = str(self._reference.digest or self._reference.tag or document.digest)
        await self._repository.put_manifest(name, document.raw, document.media_type)

    async def finish(self) -> None:
        """The last manifest was that."""

    async def close(self) -> None:
        """Connections are the registries' own."""

    def is_at(self, source: RegistrySource) -> bool:
        """Whether the source is the same repository."""
        here, there = self._repository.endpoint, source.endpoint
        return (here.host, here.repository) == (there.host, there.repository)

    def _is_neighbour(self, origin: Repository) -> bool:
        here, there = self._repository.endpoint, origin.endpoint
        return here.host == there.host and here.repository != there.repository


class _Coming:
    """A blob that is sent on; when its source fails or lies, that is the error, and it is not asked again."""

    def __init__(self, blob: Blob) -> None:
        self._blob = blob
        self._failure: SampanError | None = None

    def part(self, start: int, end: int) -> AsyncIterator[bytes]:
        """All of a blob is checked here; of a part, the registry checks what it becomes."""
        self.raise_failure()
        return self._iter(start, end)

    def raise_failure(self) -> None:
        """What went wrong on the way to us."""
        if self._failure is not None:
            raise self._failure

    async def _iter(self, start: int, end: int) -> AsyncIterator[bytes]:
        is_whole = start == 0 and end == self._blob.descriptor.size
        left = end - start
        try:
            async for data in iter_checked(self._blob) if is_whole else iter_pieces(self._blob.stream(start)):
                yield data[:left]
                left -= len(data)
                if left <= 0:
                    return
        except SampanError as error:
            self._failure = error
            raise
