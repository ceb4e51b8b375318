# SPDX-License-Identifier: Apache-2.0
"""Public keys that signatures are checked with: ECDSA on P-256 with SHA-256.

Implements: cosign's ``.pub`` files: a SubjectPublicKeyInfo in PEM.
Holds: the library that computes is loaded when the first key is read, so an engine without a policy never loads it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass, field

from sampan.errors import InvalidArgument, Unsupported

PUBLIC_LABEL = "PUBLIC KEY"
MAX_KEY_BYTES = 64 << 10

_PEM = re.compile(
    rb"-----BEGIN (?P<label>[A-Z0-9 ]+)-----\s*(?P<body>[A-Za-z0-9+/=\s]+)-----END (?P=label)-----"
)
_BEGIN = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----")
_LINE = 64


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key to check signatures with; `fingerprint` is the SHA-256 of its SubjectPublicKeyInfo."""

    der: bytes = field(repr=False)
    fingerprint: str

    @classmethod
    def of(cls, der: bytes) -> PublicKey:
        """The key of these bytes, which are one."""
        return cls(der, f"sha256:{hashlib.sha256(der).hexdigest()}")

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether the signature (ASN.1) is this key's, of this message."""
        from sampan.registry.trust.ecdsa import verify

        return verify(self.der, signature, message)

    @property
    def hint(self) -> str:
        """How bundles name it: the bytes of the fingerprint in base64."""
        return base64.b64encode(hashlib.sha256(self.der).digest()).decode()

    @property
    def pem(self) -> bytes:
        """As it stands in a ``.pub`` file."""
        return format_pem(PUBLIC_LABEL, self.der)


def decode_public_key(pem: bytes) -> PublicKey:
    """Read a ``.pub`` file."""
    from sampan.registry.trust.ecdsa import normalise_public

    label, body = parse_pem(pem)
    if label != PUBLIC_LABEL:
        raise Unsupported(f"public key has the unsupported PEM type {label}")
    return PublicKey.of(normalise_public(body))


def parse_pem(pem: bytes) -> tuple[str, bytes]:
    """The label and the bytes of the first block; none, where headers of old make it another form."""
    match = _PEM.search(pem[:MAX_KEY_BYTES])
    if match is None:
        begin = _BEGIN.search(pem[:MAX_KEY_BYTES])
        if begin is None:
            raise InvalidArgument("not a key in PEM form")
        return begin[1].decode(), b""
    try:
        return match["label"].decode(), base64.b64decode(b"".join(match["body"].split()), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidArgument("key is not base64 between its PEM lines") from None


def format_pem(label: str, body: bytes) -> bytes:
    """A block of PEM."""
    text = base64.b64encode(body).decode()
    lines = [text[start : start + _LINE] for start in range(0, len(text), _LINE)]
    return "\n".join((f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", "")).encode()
