# SPDX-License-Identifier: Apache-2.0
"""The name of bytes: an algorithm and the hash of the content.

Implements: OCI image-spec 1.1, descriptor.md, "Digests".
Holds: a Digest that exists is well formed; its algorithm is one that can be computed here.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sampan.errors import DataCorrupt, InvalidArgument

if TYPE_CHECKING:
    from hashlib import _Hash

HEX_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}

_FORM = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]+")
_LOWER_HEX = re.compile(r"[0-9a-f]+")


class InvalidDigest(InvalidArgument):
    """The text is not a digest; the message has the words of Docker's clients."""


class DigestMismatch(DataCorrupt):
    """Bytes came that are not the ones asked for."""

    def __init__(self, expected: Digest, actual: Digest) -> None:
        super().__init__(f"content has digest {actual}, expected {expected}")
        self.expected = expected
        self.actual = actual


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """``sha256:9f86d0…``: equal digests mean equal bytes."""

    algorithm: str
    hex: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"

    @property
    def short(self) -> str:
        """The first twelve characters, as people are shown them."""
        return self.hex[:12]

    @classmethod
    def of(cls, data: bytes | bytearray | memoryview, algorithm: str = "sha256") -> Digest:
        """The digest of these bytes."""
        return cls(algorithm, hashlib.new(algorithm, data).hexdigest())

    @classmethod
    def from_hash(cls, state: _Hash) -> Digest:
        """The digest of what a hashlib object has been fed."""
        return cls(state.name, state.hexdigest())


def parse_digest(text: str) -> Digest:
    """Read ``algorithm:hex``; raise InvalidDigest for anything that could not name bytes."""
    if not _FORM.fullmatch(text):
        raise InvalidDigest("invalid checksum digest format")
    algorithm, _, hexadecimal = text.partition(":")
    length = HEX_LENGTHS.get(algorithm)
    if length is None:
        raise InvalidDigest("unsupported digest algorithm")
    if len(hexadecimal) != length:
        raise InvalidDigest("invalid checksum digest length")
    if not _LOWER_HEX.fullmatch(hexadecimal):
        raise InvalidDigest("invalid checksum digest format")
    return Digest(algorithm, hexadecimal)
