# SPDX-License-Identifier: Apache-2.0
"""Keys to sign with, and their files.

Implements: cosign's key files: ``ENCRYPTED SIGSTORE PRIVATE KEY`` (older: ``ENCRYPTED COSIGN PRIVATE KEY``) is a
sealed PKCS #8. Keys that OpenSSL wrote can be read, too.
Holds: a private key is never part of a `repr`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sampan.errors import Unsupported
from sampan.registry.trust import ecdsa
from sampan.registry.trust.envelope import seal, unseal
from sampan.registry.trust.keys import PublicKey, format_pem, parse_pem

SIGSTORE_LABEL = "ENCRYPTED SIGSTORE PRIVATE KEY"
COSIGN_LABEL = "ENCRYPTED COSIGN PRIVATE KEY"
_SEALED = (SIGSTORE_LABEL, COSIGN_LABEL)


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A key to sign with."""

    key: ecdsa.Key = field(repr=False)

    @property
    def public(self) -> PublicKey:
        """The half that everybody may know."""
        return PublicKey.of(ecdsa.public_of(self.key))

    def sign(self, message: bytes) -> bytes:
        """An ASN.1 signature."""
        return ecdsa.sign(self.key, message)


def generate_key() -> PrivateKey:
    """A new key."""
    return PrivateKey(ecdsa.generate())


def encode_private_key(private: PrivateKey, passphrase: bytes) -> bytes:
    """The key's file, sealed."""
    return format_pem(SIGSTORE_LABEL, seal(ecdsa.encode_private(private.key), passphrase))


def decode_private_key(pem: bytes, passphrase: bytes) -> PrivateKey:
    """Read a key's file that cosign, skopeo or we have sealed."""
    label, body = parse_pem(pem)
    if label not in _SEALED:
        raise Unsupported(
            f"private key has the unsupported PEM type {label}",
            hint="`sampan trust key load` takes over keys that others have made",
        )
    return PrivateKey(ecdsa.decode_private(unseal(body, passphrase), None))


def import_private_key(pem: bytes, passphrase: bytes | None) -> PrivateKey:
    """Read a key that OpenSSL wrote, with or without a passphrase, or a sealed one."""
    if parse_pem(pem)[0] in _SEALED:
        return decode_private_key(pem, passphrase or b"")
    return PrivateKey(ecdsa.decode_private(pem, passphrase))


def is_encrypted(pem: bytes) -> bool:
    """Whether the key's file needs a passphrase."""
    return "ENCRYPTED" in parse_pem(pem)[0] or b"Proc-Type: 4,ENCRYPTED" in pem
