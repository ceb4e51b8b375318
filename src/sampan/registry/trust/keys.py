# SPDX-License-Identifier: Apache-2.0
"""Keys that sign images: ECDSA on P-256 with SHA-256, and their text forms.

Implements: cosign's key files: ``ENCRYPTED SIGSTORE PRIVATE KEY`` (older: ``ENCRYPTED COSIGN PRIVATE KEY``) is a
sealed PKCS #8, ``PUBLIC KEY`` a SubjectPublicKeyInfo. Keys that OpenSSL wrote can be read, too.
Holds: a private key is never part of a `repr`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from sampan.errors import InvalidArgument, Unsupported
from sampan.registry.trust.envelope import seal, unseal

SIGSTORE_LABEL = "ENCRYPTED SIGSTORE PRIVATE KEY"
COSIGN_LABEL = "ENCRYPTED COSIGN PRIVATE KEY"
MAX_KEY_BYTES = 64 << 10

_PEM = re.compile(
    rb"-----BEGIN (?P<label>[A-Z0-9 ]+)-----\s*(?P<body>[A-Za-z0-9+/=\s]+)-----END (?P=label)-----"
)
_LINE = 64


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key to check signatures with; `fingerprint` is the SHA-256 of its SubjectPublicKeyInfo."""

    der: bytes = field(repr=False)
    fingerprint: str

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether the signature (ASN.1) is this key's, of this message."""
        key = serialization.load_der_public_key(self.der)
        assert isinstance(key, ec.EllipticCurvePublicKey)
        try:
            key.verify(signature, message, ec.ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True

    @property
    def pem(self) -> bytes:
        """As it stands in a ``.pub`` file."""
        return _format_pem("PUBLIC KEY", self.der)


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A key to sign with."""

    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def public(self) -> PublicKey:
        """The half that everybody may know."""
        return _public(self.key.public_key())

    def sign(self, message: bytes) -> bytes:
        """An ASN.1 signature."""
        return self.key.sign(message, ec.ECDSA(SHA256()))


def generate_key() -> PrivateKey:
    """A new key."""
    return PrivateKey(ec.generate_private_key(ec.SECP256R1()))


def encode_private_key(private: PrivateKey, passphrase: bytes) -> bytes:
    """The key's file, sealed."""
    pkcs8 = private.key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return _format_pem(SIGSTORE_LABEL, seal(pkcs8, passphrase))


def decode_private_key(pem: bytes, passphrase: bytes) -> PrivateKey:
    """Read a key's file that cosign, skopeo or we have sealed."""
    label, body = _parse_pem(pem)
    if label not in (SIGSTORE_LABEL, COSIGN_LABEL):
        raise Unsupported(
            f"private key has the unsupported PEM type {label}",
            hint="`sampan trust key load` takes over keys that others have made",
        )
    return _private(unseal(body, passphrase), None)


def import_private_key(pem: bytes, passphrase: bytes | None) -> PrivateKey:
    """Read a key that OpenSSL wrote, with or without a passphrase, or a sealed one."""
    label, _ = _parse_pem(pem)
    if label in (SIGSTORE_LABEL, COSIGN_LABEL):
        return decode_private_key(pem, passphrase or b"")
    return _private(pem, passphrase)


def needs_passphrase(pem: bytes) -> bool:
    """Whether the key's file is encrypted."""
    return "ENCRYPTED" in _parse_pem(pem)[0] or b"Proc-Type: 4,ENCRYPTED" in pem


def decode_public_key(pem: bytes) -> PublicKey:
    """Read a ``.pub`` file."""
    label, body = _parse_pem(pem)
    if label != "PUBLIC KEY":
        raise Unsupported(f"public key has the unsupported PEM type {label}")
    try:
        return _public(serialization.load_der_public_key(body))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidArgument(f"public key cannot be read: {error}") from None


def _public(key: object) -> PublicKey:
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Unsupported("public key is not an ECDSA key on P-256")
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return PublicKey(der, f"sha256:{hashlib.sha256(der).hexdigest()}")


def _private(data: bytes, passphrase: bytes | None) -> PrivateKey:
    load = serialization.load_pem_private_key
    if not data.lstrip().startswith(b"-----"):
        load = serialization.load_der_private_key
    try:
        key = load(data, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InvalidArgument(f"private key cannot be read: {error}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Unsupported("private key is not an ECDSA key on P-256")
    return PrivateKey(key)


def _parse_pem(pem: bytes) -> tuple[str, bytes]:
    """The label and the bytes of the first block; a legacy header of OpenSSL's makes the body unreadable here."""
    match = _PEM.search(pem[:MAX_KEY_BYTES])
    if match is None:
        begin = re.search(rb"-----BEGIN ([A-Z0-9 ]+)-----", pem[:MAX_KEY_BYTES])
        if begin is None:
            raise InvalidArgument("not a key in PEM form")
        return begin[1].decode(), b""
    try:
        return match["label"].decode(), base64.b64decode(b"".join(match["body"].split()), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidArgument("key is not base64 between its PEM lines") from None


def _format_pem(label: str, body: bytes) -> bytes:
    text = base64.b64encode(body).decode()
    lines = [text[start : start + _LINE] for start in range(0, len(text), _LINE)]
    return "\n".join((f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", "")).encode()
