# SPDX-License-Identifier: Apache-2.0
"""ECDSA on P-256 with SHA-256: the few calls into the library that computes it."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from sampan.errors import InvalidArgument, Unsupported

Key = ec.EllipticCurvePrivateKey


def verify(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether the signature is of this message, by the key of `public`."""
    key = serialization.load_der_public_key(public)
    assert isinstance(key, ec.EllipticCurvePublicKey)
    try:
        key.verify(signature, message, ec.ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def sign(key: Key, message: bytes) -> bytes:
    """An ASN.1 signature."""
    return key.sign(message, ec.ECDSA(SHA256()))


def generate() -> Key:
    """A new key."""
    return ec.generate_private_key(ec.SECP256R1())


def normalise_public(der: bytes) -> bytes:
    """A SubjectPublicKeyInfo in its one form; a key of another kind is refused."""
    try:
        return _encode_public(serialization.load_der_public_key(der))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidArgument(f"public key cannot be read: {error}") from None


def public_of(key: Key) -> bytes:
    """The public half as SubjectPublicKeyInfo."""
    return _encode_public(key.public_key())


def encode_private(key: Key) -> bytes:
    """PKCS #8, not encrypted."""
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def decode_private(data: bytes, passphrase: bytes | None) -> Key:
    """A key in DER or PEM, as OpenSSL writes it."""
    is_pem = data.lstrip().startswith(b"-----")
    load = serialization.load_pem_private_key if is_pem else serialization.load_der_private_key
    try:
        key = load(data, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InvalidArgument(f"private key cannot be read: {error}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Unsupported("private key is not an ECDSA key on P-256")
    return key


def _encode_public(key: object) -> bytes:
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Unsupported("public key is not an ECDSA key on P-256")
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
