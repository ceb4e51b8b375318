# SPDX-License-Identifier: Apache-2.0
"""The signatures of one repository: found, added and taken away, by tag and by referrer.

Implements: cosign's tag scheme (``sha256-HEX.sig``) and its OCI 1.1 mode.
Holds: one broken place does not hide the signatures of the other; what is read is bounded. A tag is written, then
read again: of two signers at the same moment neither loses their signature unnoticed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from sampan.errors import Conflict, NotFound, SampanError
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest
from sampan.registry.repository import Repository
from sampan.registry.trust.documents import (
    ARTIFACT_TYPE,
    SignatureDocument,
    decode_document,
    describe_signature,
    encode_document,
    encode_referrer,
    subject_of,
)
from sampan.registry.trust.payload import MAX_PAYLOAD_BYTES
from sampan.registry.trust.signature import Signature

MAX_REFERRERS = 100
_ATTEMPTS = 5


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

    async def add(self, subject: Descriptor, signature: Signature) -> None:
        """Publish a signature, as a referrer and at the tag."""
        await self._upload(signature.payload)
        layer = describe_signature(signature)
        await self._put_referrer(SignatureDocument((layer,)), subject)
        await self._append(signature_tag(subject.digest), layer)

    async def remove(self, subject: Digest, is_doomed: Callable[[Signature], bool]) -> int:
        """Take signatures away, both ways; how many different ones."""
        doomed = {
            (one.digest, one.text)
            async for one in SignatureStore(self.repository).iter(subject)
            if is_doomed(one)
        }
        if doomed:
            for referrer in await self._referrers(subject):
                await self._thin_referrer(subject, referrer, doomed)
            await self._thin_tag(signature_tag(subject), doomed)
        return len(doomed)

    async def _documents(self, subject: Digest) -> AsyncIterator[SignatureDocument]:
        try:
            yield await self._document(signature_tag(subject))
        except NotFound:
            pass
        except SampanError as error:
            self.complaints.append(error.message)
        try:
            referrers = await self._referrers(subject)
        except SampanError as error:
            self.complaints.append(error.message)
            return
        for referrer in referrers:
            try:
                yield await self._referrer(subject, referrer)
            except SampanError as error:
                self.complaints.append(error.message)

    async def _document(self, name: str) -> SignatureDocument:
        fetched = await self.repository.manifest(name)
        return decode_document(fetched.raw, fetched.media_type)

    async def _referrers(self, subject: Digest) -> list[Descriptor]:
        return (await self.repository.referrers(subject, ARTIFACT_TYPE))[:MAX_REFERRERS]

    async def _referrer(self, subject: Digest, referrer: Descriptor) -> SignatureDocument:
        fetched = await self.repository.manifest(str(referrer.digest))
        about = subject_of(fetched.raw)
        if about is None or about.digest != subject:  # a list of referrers may say anything
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

    async def _append(self, tag: str, layer: Descriptor) -> None:
        for _ in range(_ATTEMPTS):
            document = await self._known(tag)
            if layer in document.layers:
                return
            await self._put(tag, SignatureDocument((*document.layers, layer), document.annotations))
            if layer in (await self._document(tag)).layers:
                return
        raise Conflict(f"{tag}: others write signatures there all the time")

    async def _known(self, tag: str) -> SignatureDocument:
        try:
            return await self._document(tag)
        except NotFound:
            return SignatureDocument()

    async def _thin_tag(self, tag: str, doomed: set[tuple[Digest, str]]) -> None:
        """Write the tag's manifest without these; with nothing left, delete it."""
        try:
            fetched = await self.repository.manifest(tag)
        except NotFound:
            return
        document = decode_document(fetched.raw, fetched.media_type)
        kept = _without(document, doomed)
        if kept.layers == document.layers:
            return
        if kept.layers:
            await self._put(tag, kept)
        else:
            await self.repository.delete_manifest(str(fetched.digest))

    async def _thin_referrer(
        self, subject: Digest, referrer: Descriptor, doomed: set[tuple[Digest, str]]
    ) -> None:
        """Put a shorter manifest in its place, if anything is left."""
        fetched = await self.repository.manifest(str(referrer.digest))
        document, about = decode_document(fetched.raw, fetched.media_type), subject_of(fetched.raw)
        kept = _without(document, doomed)
        if about is None or about.digest != subject or kept.layers == document.layers:
            return
        await self.repository.delete_manifest(str(referrer.digest))
        await self.repository.forget_referrer(subject, referrer.digest)
        if kept.layers:
            await self._put_referrer(kept, about)

    async def _put_referrer(self, document: SignatureDocument, subject: Descriptor) -> None:
        encoded = encode_referrer(document, subject)
        await self._upload(encoded.config)
        await self.repository.put_referrer(subject.digest, encoded.raw, encoded.descriptor)

    async def _put(self, tag: str, document: SignatureDocument) -> None:
        encoded = encode_document(document)
        await self._upload(encoded.config)
        await self.repository.put_manifest(tag, encoded.raw, encoded.descriptor.media_type)

    async def _upload(self, data: bytes) -> None:
        blob = Descriptor.of(data, "")
        if not await self.repository.has(blob.digest):
            await self.repository.upload_parts(
                blob, lambda start, end: _part(data, start, end), lambda _: None
            )


def signature_tag(subject: Digest) -> str:
    """Where cosign keeps the signatures of a manifest."""
    return f"{subject.algorithm}-{subject.hex}.sig"


def _without(document: SignatureDocument, doomed: set[tuple[Digest, str]]) -> SignatureDocument:
    kept = tuple(
        layer
        for layer in document.layers
        if (layer.digest, Signature(b"", layer.annotations).text) not in doomed
    )
    return SignatureDocument(kept, document.annotations)


async def _part(data: bytes, start: int, end: int) -> AsyncIterator[bytes]:
    yield data[start:end]
