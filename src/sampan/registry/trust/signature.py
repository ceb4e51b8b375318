# SPDX-License-Identifier: Apache-2.0
"""One signature: signed bytes, the signature of them, and what checking it takes."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sampan.oci.digest import Digest
from sampan.registry.trust.keys import PublicKey
from sampan.registry.trust.payload import Payload, decode_payload, decode_statement

SIGNATURE_ANNOTATION = "dev.cosignproject.cosign/signature"


@dataclass(frozen=True, slots=True)
class Signature:
    """`payload` says what is signed; `annotations` of its layer, of which one is the signature itself.

    `envelope` is the payload's type where that was signed with it (DSSE); else the payload alone was.
    """

    payload: bytes
    annotations: Mapping[str, str] = field(default_factory=dict)
    envelope: str = ""

    @property
    def text(self) -> str:
        """The signature in base64."""
        return self.annotations.get(SIGNATURE_ANNOTATION, "")

    @property
    def digest(self) -> Digest:
        """Of the payload: the name of its blob."""
        return Digest.of(self.payload)

    def signer(self, keys: Iterable[PublicKey]) -> PublicKey | None:
        """The first of the keys that made it."""
        try:
            raw = base64.b64decode(self.text, validate=True)
        except (binascii.Error, ValueError):
            return None
        message = encode_envelope(self.envelope, self.payload) if self.envelope else self.payload
        return next((key for key in keys if key.verifies(raw, message)), None)

    def read(self) -> Payload:
        """What it says; of worth only if somebody one trusts has signed it."""
        return decode_statement(self.payload) if self.envelope else decode_payload(self.payload)


def encode_envelope(kind: str, payload: bytes) -> bytes:
    """The bytes that are signed of an envelope: DSSE v1's pre-authentication encoding."""
    return b"DSSEv1 %d %s %d %s" % (len(kind.encode()), kind.encode(), len(payload), payload)
