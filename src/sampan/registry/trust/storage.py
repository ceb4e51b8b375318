# SPDX-License-Identifier: Apache-2.0
"""The signatures of one repository: found by tag and by referrer.

Implements: cosign's tag scheme (``sha256-HEX.sig``) and its OCI 1.1 mode; cosign 3's bundles.
Holds: one broken place does not hide the signatures of the other; what is read is bounded. `publishing` writes them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from sampan.errors import NotFound, SampanError
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest
from sampan.oci.manifest import decode_manifest
from sampan.oci.raw_manifest import RawManifest
from sampan.registry.repository import Repository
from sampan.registry.trust.bundle import BUNDLE_TYPE, MAX_BUNDLE_BYTES, decode_bundle, may_sign
from sampan.registry.trust.documents import (
    ARTIFACT_TYPE,
    SignatureDocument,
    decode_document,
)
from sampan.registry.trust.payload import MAX_PAYLOAD_BYTES
from sampan.registry.trust.signature import Signature

MAX_REFERRERS = 100


class SignatureStore:
    """Signatures beside the images of a repository; `complaints` are the places that could not be read."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.complaints: list[str] = []

    async def iter(self, subject: Digest) -> AsyncIterator[Signature]:
        """The signatures of a manifest, each once."""
        seen: set[tuple[Digest, str]] = set()
        async for document in self._documents(subject):
            for layer in document.signatures:
                signature = await self._read(layer, seen)
                if signature is not None:
                    yield signature
        async for _, signature in self.bundles(subject):
            yield signature

    async def _documents(self, subject: Digest) -> AsyncIterator[SignatureDocument]:
        try:
            yield await self.document(signature_tag(subject))
        except NotFound:
            pass
        except SampanError as error:
            self.complaints.append(error.message)
        async for referrer in self._readable_referrers(subject, ARTIFACT_TYPE):
            try:
                yield await self._referrer(subject, referrer)
            except SampanError as error:
                self.complaints.append(error.message)

    async def bundles(self, subject: Digest) -> AsyncIterator[tuple[Descriptor, Signature]]:
        """The signatures that are bundles, each with the manifest that holds it."""
        async for referrer in self._readable_referrers(subject, BUNDLE_TYPE):
            try:
                found = await self._bundle(subject, referrer) if may_sign(referrer) else None
            except SampanError as error:
                self.complaints.append(error.message)
                continue
            if found is not None:
                yield referrer, found

    async def _bundle(self, subject: Digest, referrer: Descriptor) -> Signature | None:
        fetched = await self.repository.manifest(str(referrer.digest))
        if not _is_about(fetched, subject):
            return None
        layers = decode_manifest(fetched.raw, fetched.media_type).layers
        if len(layers) != 1 or layers[0].media_type != BUNDLE_TYPE:
            return None
        return decode_bundle(await self.repository.read(layers[0], MAX_BUNDLE_BYTES))

    async def document(self, name: str) -> SignatureDocument:
        """A signature manifest by its tag or digest."""
        fetched = await self.repository.manifest(name)
        return decode_document(fetched.raw, fetched.media_type)

    async def _readable_referrers(self, subject: Digest, kind: str) -> AsyncIterator[Descriptor]:
        try:
            referrers = await self.referrers(subject, kind)
        except SampanError as error:
            self.complaints.append(error.message)
            return
        for referrer in referrers:
            yield referrer

    async def referrers(self, subject: Digest, kind: str) -> list[Descriptor]:
        """The manifests that may be signatures of this kind."""
        return (await self.repository.referrers(subject, kind))[:MAX_REFERRERS]

    async def _referrer(self, subject: Digest, referrer: Descriptor) -> SignatureDocument:
        fetched = await self.repository.manifest(str(referrer.digest))
        if not _is_about(fetched, subject):
            return SignatureDocument()
        return decode_document(fetched.raw, fetched.media_type)

    async def _read(self, layer: Descriptor, seen: set[tuple[Digest, str]]) -> Signature | None:
        signature = Signature(b"", layer.annotations)
        if (layer.digest, signature.text) in seen:
            return None
        seen.add((layer.digest, signature.text))
        try:
            return Signature(await self.repository.read(layer, MAX_PAYLOAD_BYTES), layer.annotations)
        except SampanError as error:
            self.complaints.append(error.message)
            return None


def signature_tag(subject: Digest) -> str:
    """Where cosign keeps the signatures of a manifest."""
    return f"{subject.algorithm}-{subject.hex}.sig"


def _is_about(fetched: RawManifest, subject: Digest) -> bool:
    """Whether a manifest says itself what it is about: a list of referrers may say anything."""
    about = fetched.subject
    return about is not None and about.digest == subject
