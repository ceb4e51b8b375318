# SPDX-License-Identifier: Apache-2.0
"""Sign what a name stands for on its registry.

Holds: what is signed is the digest that was read, whatever the tag says by then. A key signs a manifest for a name
once: a second time finds the first.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass

from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest
from sampan.oci.index import decode_index
from sampan.oci.reference import Reference
from sampan.registry.repository import Repository
from sampan.registry.trust.bundle import encode_bundle
from sampan.registry.trust.payload import STATEMENT_TYPE, Payload, encode_payload, encode_statement
from sampan.registry.trust.private_keys import PrivateKey
from sampan.registry.trust.publishing import SignatureWriter
from sampan.registry.trust.signature import SIGNATURE_ANNOTATION, Signature, encode_envelope
from sampan.registry.trust.storage import SignatureStore


@dataclass(frozen=True, slots=True)
class SigningOrder:
    """How to sign: `identity` goes into the payload (else the repository's name), `annotations`, too.

    `bundle`: in the form of cosign 3, which says no name.
    """

    key: PrivateKey
    identity: str = ""
    annotations: Mapping[str, str] | None = None
    recursive: bool = False
    upload: bool = True
    bundle: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """One signature; `is_new`: it was not there yet."""

    digest: Digest
    signature: Signature
    is_new: bool


async def sign_image(repository: Repository, reference: Reference, order: SigningOrder) -> list[Outcome]:
    """Sign a manifest or an index; with `recursive` also everything that the index lists."""
    subjects = await _find_subjects(repository, reference, recursive=order.recursive)
    return [await _sign(repository, subject, reference, order) for subject in subjects]


async def _find_subjects(
    repository: Repository, reference: Reference, *, recursive: bool
) -> list[Descriptor]:
    fetched = await repository.manifest(str(reference.digest or reference.tag or ""))
    found = [fetched.descriptor]
    if recursive and fetched.is_index:
        found += decode_index(fetched.raw, fetched.media_type).manifests
    return list({one.digest: one for one in found}.values())


async def _sign(
    repository: Repository, subject: Descriptor, reference: Reference, order: SigningOrder
) -> Outcome:
    payload = Payload(subject.digest, order.identity or reference.name, dict(order.annotations or {}))
    store = SignatureStore(repository)
    if order.upload:
        raw = encode_statement(payload) if order.bundle else encode_payload(payload)
        async for known in store.iter(subject.digest):
            if known.payload == raw and known.signer([order.key.public]):
                return Outcome(subject.digest, known, is_new=False)
    signature = (make_statement if order.bundle else make_signature)(order.key, payload)
    if order.upload and order.bundle:
        await SignatureWriter(repository).add_bundle(subject, encode_bundle(signature, order.key.public.hint))
    elif order.upload:
        await SignatureWriter(repository).add(subject, signature)
    return Outcome(subject.digest, signature, is_new=True)


def make_signature(key: PrivateKey, payload: Payload) -> Signature:
    """Sign a payload."""
    raw = encode_payload(payload)
    return Signature(raw, {SIGNATURE_ANNOTATION: base64.b64encode(key.sign(raw)).decode()})


def make_statement(key: PrivateKey, payload: Payload) -> Signature:
    """Sign a payload in the form that stands in a bundle."""
    raw = encode_statement(payload)
    made = key.sign(encode_envelope(STATEMENT_TYPE, raw))
    return Signature(raw, {SIGNATURE_ANNOTATION: base64.b64encode(made).decode()}, STATEMENT_TYPE)
