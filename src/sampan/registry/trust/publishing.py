# SPDX-License-Identifier: Apache-2.0
"""Signatures put beside an image, and taken away again: as a referrer, at cosign's tag, or as a bundle.

Holds: a tag is written, then read again: of two signers at the same moment neither loses their signature unnoticed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from sampan.errors import Conflict, NotFound
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest
from sampan.registry.repository import Repository
from sampan.registry.trust.bundle import encode_bundle_referrer
from sampan.registry.trust.documents import (
    ARTIFACT_TYPE,
    Encoded,
    SignatureDocument,
    decode_document,
    describe_signature,
    encode_document,
    encode_referrer,
)
from sampan.registry.trust.signature import Signature
from sampan.registry.trust.storage import SignatureStore, signature_tag

_ATTEMPTS = 5


class SignatureWriter:
    """Changes the signatures of one repository."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._store = SignatureStore(repository)

    async def add(self, subject: Descriptor, signature: Signature) -> None:
        """Publish a signature, as a referrer and at the tag."""
        await self._upload(signature.payload)
        layer = describe_signature(signature)
        await self._put_referrer(SignatureDocument((layer,)), subject)
        await self._append(signature_tag(subject.digest), layer)

    async def add_bundle(self, subject: Descriptor, bundle: bytes) -> None:
        """Publish a bundle, as a referrer."""
        await self._upload(bundle)
        await self._refer(encode_bundle_referrer(bundle, subject), subject)

    async def remove(self, subject: Digest, is_doomed: Callable[[Signature], bool]) -> int:
        """Take signatures away, both ways; how many different ones."""
        doomed = {(one.digest, one.text) async for one in self._store.iter(subject) if is_doomed(one)}
        if doomed:
            for referrer in await self._store.referrers(subject, ARTIFACT_TYPE):
                await self._thin_referrer(subject, referrer, doomed)
            async for referrer, signature in self._store.bundles(subject):
                if (signature.digest, signature.text) in doomed:
                    await self._drop(subject, referrer)
            await self._thin_tag(signature_tag(subject), doomed)
        return len(doomed)

    async def _append(self, tag: str, layer: Descriptor) -> None:
        for _ in range(_ATTEMPTS):
            document = await self._known(tag)
            if layer in document.layers:
                return
            await self._put(tag, SignatureDocument((*document.layers, layer), document.annotations))
            if layer in (await self._store.document(tag)).layers:
                return
        raise Conflict(f"{tag}: others write signatures there all the time")

    async def _known(self, tag: str) -> SignatureDocument:
        try:
            return await self._store.document(tag)
        except NotFound:
            return SignatureDocument()

    async def _thin_tag(self, tag: str, doomed: set[tuple[Digest, str]]) -> None:
        """Write the tag's manifest without these; with nothing left, delete it."""
        try:
            fetched = await self._repository.manifest(tag)
        except NotFound:
            return
        document = decode_document(fetched.raw, fetched.media_type)
        kept = _without(document, doomed)
        if kept.layers == document.layers:
            return
        if kept.layers:
            await self._put(tag, kept)
        else:
            await self._repository.delete_manifest(str(fetched.digest))

    async def _thin_referrer(
        self, subject: Digest, referrer: Descriptor, doomed: set[tuple[Digest, str]]
    ) -> None:
        """Put a shorter manifest in its place, if anything is left."""
        fetched = await self._repository.manifest(str(referrer.digest))
        document, about = decode_document(fetched.raw, fetched.media_type), fetched.subject
        kept = _without(document, doomed)
        if about is None or about.digest != subject or kept.layers == document.layers:
            return
        await self._drop(subject, referrer)
        if kept.layers:
            await self._put_referrer(kept, about)

    async def _drop(self, subject: Digest, referrer: Descriptor) -> None:
        await self._repository.delete_manifest(str(referrer.digest))
        await self._repository.forget_referrer(subject, referrer.digest)

    async def _put_referrer(self, document: SignatureDocument, subject: Descriptor) -> None:
        await self._refer(encode_referrer(document, subject), subject)

    async def _refer(self, encoded: Encoded, subject: Descriptor) -> None:
        await self._upload(encoded.config)
        await self._repository.put_referrer(subject.digest, encoded.raw, encoded.descriptor)

    async def _put(self, tag: str, document: SignatureDocument) -> None:
        encoded = encode_document(document)
        await self._upload(encoded.config)
        await self._repository.put_manifest(tag, encoded.raw, encoded.descriptor.media_type)

    async def _upload(self, data: bytes) -> None:
        blob = Descriptor.of(data, "")
        if not await self._repository.has(blob.digest):
            await self._repository.upload_parts(
                blob, lambda start, end: _part(data, start, end), lambda _: None
            )


def _without(document: SignatureDocument, doomed: set[tuple[Digest, str]]) -> SignatureDocument:
    kept = tuple(
        layer
        for layer in document.layers
        if (layer.digest, Signature(b"", layer.annotations).text) not in doomed
    )
    return SignatureDocument(kept, document.annotations)


async def _part(data: bytes, start: int, end: int) -> AsyncIterator[bytes]:
    yield data[start:end]
