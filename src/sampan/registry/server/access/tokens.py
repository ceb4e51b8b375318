# SPDX-License-Identifier: Apache-2.0
"""Bearer tokens: JSON web tokens that say who may do what to which repositories.

Implements: the Docker Registry v2 token authentication specification: claims, ``access`` entries, scopes.
Holds: the algorithm is the key's, never the token's choice; issuer, audience and times are always checked.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from sampan.errors import InvalidArgument
from sampan.registry.server.storage.tree import unlink_if_there, write_file

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey

CATALOG = "catalog"
_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
_LEEWAY_S = 60
_MAX_SCOPES = 50
_MAX_TOKEN = 16 << 10


@dataclass(frozen=True, slots=True)
class Scope:
    """``repository:NAME:pull,push``: what somebody asks to be allowed."""

    kind: str
    name: str
    actions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says that we believe."""

    issuer: str
    subject: str
    access: tuple[Scope, ...]


@dataclass(frozen=True, slots=True)
class Issuer:
    """Somebody whose tokens are accepted."""

    name: str
    key: PublicKey


def parse_scopes(texts: Iterable[str]) -> list[Scope]:
    """Scopes as clients write them; several may be in one text. What is none is left out."""
    found = []
    for text in " ".join(texts).split()[:_MAX_SCOPES]:
        kind, _, rest = text.partition(":")
        name, _, actions = rest.rpartition(":")
        if name:
            found.append(Scope(kind, name, tuple(action for action in actions.split(",") if action)))
    return found


class Tokens:
    """Makes tokens in our name, and reads those of everyone who is accepted."""

    def __init__(
        self, key: PrivateKey, *, issuer: str, service: str, lifetime_s: float, others: Sequence[Issuer] = ()
    ) -> None:
        self.issuer = issuer
        self.service = service
        self.lifetime_s = lifetime_s
        self._key = key
        self._issuers = [Issuer(issuer, key.public_key()), *others]

    def make(self, subject: str, access: Sequence[Scope]) -> str:
        """A token for this registry."""
        entries = [{"type": one.kind, "name": one.name, "actions": list(one.actions)} for one in access]
        return self._sign({"sub": subject, "aud": self.service, "access": entries}, self.lifetime_s)

    def make_refresh(self, subject: str, lifetime_s: float) -> str:
        """What stands for a password with the token server, and with nobody else."""
        return self._sign({"sub": subject, "aud": f"{self.service}/token"}, lifetime_s)

    def read(self, text: str) -> Claims | None:
        """What a token allows; None if it is not to be believed."""
        return self._read(text, self.service, self._issuers)

    def read_refresh(self, text: str) -> str | None:
        """Whose refresh token this is."""
        claims = self._read(text, f"{self.service}/token", self._issuers[:1])
        return claims.subject if claims else None

    def _sign(self, claims: dict[str, object], lifetime_s: float) -> str:
        now = int(time.time())
        times = {"iat": now, "nbf": now, "exp": now + int(lifetime_s), "jti": secrets.token_urlsafe(12)}
        return jwt.encode(
            {"iss": self.issuer, **claims, **times}, self._key, algorithm_of(self._key.public_key())
        )

    def _read(self, text: str, audience: str, issuers: Iterable[Issuer]) -> Claims | None:
        if len(text) > _MAX_TOKEN:
            return None
        for issuer in issuers:
            try:
                claims = jwt.decode(
                    text,
                    issuer.key,
                    algorithms=[algorithm_of(issuer.key)],
                    audience=audience,
                    issuer=issuer.name,
                    leeway=_LEEWAY_S,
                    options={"require": ["exp", "iss", "aud"]},
                )
            except (jwt.InvalidTokenError, ValueError, TypeError):
                continue
            return Claims(issuer.name, str(claims.get("sub") or ""), _decode_access(claims.get("access")))
        return None


def algorithm_of(key: PublicKey) -> str:
    """The one algorithm that tokens of a key may have."""
    if isinstance(key, rsa.RSAPublicKey):
        return "RS256"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _CURVES[key.curve.name]
    return "EdDSA"


def load_public_key(path: str) -> PublicKey:
    """A PEM file with a public key or a certificate."""
    data = _read_file(path)
    try:
        if b"CERTIFICATE" in data:
            key: object = x509.load_pem_x509_certificate(data).public_key()
        else:
            key = serialization.load_pem_public_key(data)
    except ValueError as error:
        raise InvalidArgument(f"{path}: not a public key or certificate in PEM") from error
    if not isinstance(key, PublicKey) or (
        isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name not in _CURVES
    ):
        raise InvalidArgument(f"{path}: keys of this kind cannot check tokens")
    return key


def load_private_key(path: str) -> PrivateKey:
    """A PEM file with a private key."""
    try:
        key = serialization.load_pem_private_key(_read_file(path), None)
    except (ValueError, TypeError) as error:
        raise InvalidArgument(f"{path}: not a private key in PEM without a password") from error
    if not isinstance(key, PrivateKey):
        raise InvalidArgument(f"{path}: keys of this kind cannot sign tokens")
    return key


def ensure_private_key(path: str) -> None:
    """Make a key for tokens, unless there is one."""
    if os.path.exists(path):
        return
    data = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    temporary = f"{path}.{secrets.token_hex(8)}"
    try:
        write_file(temporary, data, 0o600)
        os.link(temporary, path)
    except FileExistsError:
        return
    finally:
        unlink_if_there(temporary)


def _read_file(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(1 << 20)
    except OSError as error:
        raise InvalidArgument(f"{path}: {(error.strerror or str(error)).lower()}") from error


def _decode_access(value: object) -> tuple[Scope, ...]:
    found = []
    for item in value if isinstance(value, list) else []:
        if isinstance(item, dict) and isinstance(item.get("actions"), list):
            actions = tuple(str(action) for action in item["actions"])
            found.append(Scope(str(item.get("type", "")), str(item.get("name", "")), actions))
    return tuple(found)
