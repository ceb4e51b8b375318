# SPDX-License-Identifier: Apache-2.0
"""A secret under a passphrase, as cosign keeps its keys: scrypt makes a key, NaCl's secretbox seals with it.

Implements: the JSON of go-securesystemslib's `encrypted` package.
Holds: only the cost parameters that it knows are accepted, so a file cannot make us spend memory without end.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os

from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

from sampan.errors import InvalidArgument, PermissionDenied, Unsupported
from sampan.oci.document import (
    InvalidDocument,
    JSONObject,
    decode_object,
    encode_object,
    get_object,
    get_string,
)

_KDF, _CIPHER = "scrypt", "nacl/secretbox"
_COST = 1 << 16
_COSTS = (1 << 15, _COST, 1 << 17)
_BLOCK_SIZE, _PARALLEL = 8, 1
_SALT_BYTES = 32
_MAX_MEMORY = 256 << 20
_WHAT = "encrypted key"


class WrongPassphrase(PermissionDenied):
    """The secret does not open: another passphrase, or bytes that somebody has changed."""


def seal(secret: bytes, passphrase: bytes) -> bytes:
    """The document that only the passphrase opens."""
    salt, nonce = os.urandom(_SALT_BYTES), os.urandom(SecretBox.NONCE_SIZE)
    box = SecretBox(_derive(passphrase, salt, _COST))
    return encode_object(
        {
            "kdf": {
                "name": _KDF,
                "params": {"N": _COST, "r": _BLOCK_SIZE, "p": _PARALLEL},
                "salt": _encode(salt),
            },
            "cipher": {"name": _CIPHER, "nonce": _encode(nonce)},
            "ciphertext": _encode(box.encrypt(secret, nonce).ciphertext),
        }
    )


def unseal(document: bytes, passphrase: bytes) -> bytes:
    """The secret."""
    source = decode_object(document, _WHAT)
    kdf, cipher = get_object(source, "kdf", _WHAT), get_object(source, "cipher", _WHAT)
    for part, known in ((kdf, _KDF), (cipher, _CIPHER)):
        if part.get("name") != known:
            raise Unsupported(f"{_WHAT}: {part.get('name')!r} is not {known}")
    key = _derive(passphrase, _decode(kdf, "salt"), _read_cost(get_object(kdf, "params", _WHAT)))
    nonce = _decode(cipher, "nonce")
    if len(nonce) != SecretBox.NONCE_SIZE:
        raise InvalidDocument(f"{_WHAT}: nonce has {len(nonce)} bytes")
    try:
        return SecretBox(key).decrypt(_decode(source, "ciphertext"), nonce)
    except (CryptoError, ValueError):
        raise WrongPassphrase("the private key cannot be decrypted: wrong passphrase") from None


def _derive(passphrase: bytes, salt: bytes, cost: int) -> bytes:
    return hashlib.scrypt(
        passphrase,
        salt=salt,
        n=cost,
        r=_BLOCK_SIZE,
        p=_PARALLEL,
        maxmem=_MAX_MEMORY,
        dklen=SecretBox.KEY_SIZE,
    )


def _read_cost(parameters: JSONObject) -> int:
    cost = parameters.get("N")
    is_known = parameters.get("r") == _BLOCK_SIZE and parameters.get("p") == _PARALLEL
    if not is_known or cost not in _COSTS or not isinstance(cost, int):
        raise Unsupported(f"{_WHAT}: unknown cost parameters of scrypt: {parameters}")
    return cost


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decode(source: JSONObject, key: str) -> bytes:
    try:
        return base64.b64decode(get_string(source, key, _WHAT), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidArgument(f"{_WHAT}: {key} is not base64") from None
