# SPDX-License-Identifier: Apache-2.0
"""The face of this package: `Registries` knows how to find a repository, `Repository` is one at one endpoint."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import BinaryIO

from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest
from sampan.oci.raw_manifest import RawManifest
from sampan.oci.reference import DEFAULT_REGISTRY, Reference
from sampan.registry import blobs, manifests, referrers, uploads
from sampan.registry.credentials import ANONYMOUS, Credentials
from sampan.registry.endpoints import HUB_HOST, Endpoint, is_insecure_host, plan_endpoints
from sampan.registry.exchange import Exchange
from sampan.registry.login import log_in
from sampan.registry.settings import Settings
from sampan.registry.transport import Transport


@dataclass(frozen=True, slots=True)
class Repository:
    """One repository at one endpoint, as somebody with these credentials sees it."""

    exchange: Exchange
    settings: Settings

    @property
    def endpoint(self) -> Endpoint:
        """Where it is."""
        return self.exchange.endpoint

    async def manifest(self, name: str) -> RawManifest:
        """The manifest or index of a tag or digest."""
        return await manifests.fetch_manifest(self.exchange, name, self.settings.limits)

    async def head(self, name: str) -> Descriptor | None:
        """What the registry says it has by this name."""
        return await manifests.head_manifest(self.exchange, name)

    async def put_manifest(self, name: str, raw: bytes, kind: str) -> bool:
        """Push a manifest; whether the registry keeps the list of its subject's referrers."""
        return await manifests.put_manifest(self.exchange, name, raw, kind)

    async def delete_manifest(self, name: str) -> None:
        """Delete a manifest by its digest."""
        await manifests.delete_manifest(self.exchange, name)

    async def referrers(self, digest: Digest, artifact_type: str = "") -> list[Descriptor]:
        """What says of itself that it is about this manifest: signatures, attestations; all, or those of a type.

        Where clients keep the list, it may have others, too.
        """
        return await referrers.list_referrers(self.exchange, digest, self.settings.limits, artifact_type)

    async def put_referrer(self, subject: Digest, raw: bytes, described: Descriptor) -> None:
        """Push a manifest with this subject."""
        await referrers.put_referrer(self.exchange, subject, raw, described, self.settings.limits)

    async def forget_referrer(self, subject: Digest, referrer: Digest) -> None:
        """Take a manifest that has been deleted out of its subject's list."""
        await referrers.forget_referrer(self.exchange, subject, referrer, self.settings.limits)

    def tags(self) -> AsyncIterator[str]:
        """All tags."""
        return manifests.iter_tags(self.exchange)

    async def read(self, blob: Descriptor, limit_bytes: int) -> bytes:
        """A small blob, checked."""
        return await blobs.read_blob(self.exchange, blob, limit_bytes)

    def stream(self, blob: Descriptor, start: int = 0) -> AsyncIterator[bytes]:
        """A blob's bytes from one on, not checked but for their number."""
        return blobs.iter_blob(self.exchange, blob, start)

    async def has(self, digest: Digest) -> bool:
        """Whether the blob is there."""
        return await blobs.has_blob(self.exchange, digest)

    async def mount(self, blob: Descriptor, source: str) -> bool:
        """Take a blob over from another repository there."""
        return await uploads.mount_blob(self.exchange, blob, source)

    async def upload(
        self, blob: Descriptor, open_file: Callable[[], BinaryIO], sent: Callable[[int], None]
    ) -> None:
        """Send a blob that lies in a file."""
        await uploads.upload_blob(self.exchange, blob, uploads.file_part(open_file), sent)

    async def upload_parts(self, blob: Descriptor, part: uploads.Part, sent: Callable[[int], None]) -> None:
        """Send a blob that comes from elsewhere while it is sent."""
        await uploads.upload_blob(self.exchange, blob, part, sent)


class Registries:
    """All registries, as one engine reaches them."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.transport = Transport(self.settings)

    def open(
        self, reference: Reference, credentials: Credentials = ANONYMOUS, *, push: bool = False
    ) -> list[Repository]:
        """Where to look for the reference's repository, in this order. Only the host it names sees credentials."""
        return [
            Repository(
                Exchange(self.transport, endpoint, credentials if endpoint.is_named else ANONYMOUS),
                self.settings,
            )
            for endpoint in plan_endpoints(reference, self.settings, push=push)
        ]

    async def log_in(self, registry: str, credentials: Credentials) -> str:
        """Check credentials; a refresh token to keep in place of the password, if the registry gives one."""
        host = HUB_HOST if registry == DEFAULT_REGISTRY else registry
        endpoint = Endpoint(host, "", is_insecure_host(host, self.settings.insecure))
        return await log_in(Exchange(self.transport, endpoint, credentials))

    async def close(self) -> None:
        """End all connections."""
        await self.transport.close()
