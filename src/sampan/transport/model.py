# SPDX-License-Identifier: Apache-2.0
"""What a source and a sink of images are.

Holds: a source's `stream` is not checked; whoever takes the bytes checks them. A manifest is its bytes and travels as
such. A sink is told blobs before the manifests that name them, and of an index its children first.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from sampan.oci import media_type
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest
from sampan.oci.raw_manifest import RawManifest

Report = Callable[[Mapping[str, Any]], None]
"""Told what goes on, in the shape of the Engine API's progress."""

Sent = Callable[[int], None]
"""Told how many bytes of a blob have been moved."""

ANY_MANIFEST = media_type.MANIFESTS | media_type.INDEXES


@dataclass(frozen=True, slots=True)
class Blob:
    """A blob on its way: what it is, and its bytes from any position, as often as they are needed."""

    descriptor: Descriptor
    stream: Callable[[int], AsyncIterator[bytes]]
    origin: object | None = field(default=None, compare=False)
    """The repository that it comes from, for a sink that can fetch it there without us."""


class Source(Protocol):
    """An image to read. `keeps_digests`: its manifests are those that were pushed, and not made here."""

    keeps_digests: bool

    async def root(self) -> RawManifest:
        """What the location names: a manifest or an index."""

    async def manifest(self, digest: Digest) -> RawManifest:
        """A child of an index, or a referrer."""

    def blob(self, descriptor: Descriptor) -> Blob:
        """A config or layer."""

    async def referrers(self, digest: Digest) -> Sequence[Descriptor]:
        """What is about this manifest."""

    async def tagged(self, tag: str) -> RawManifest | None:
        """A neighbour by its tag, where cosign keeps signatures; None if there is none."""

    async def close(self) -> None:
        """Let go of files and connections."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a sink takes: `formats` of manifests, indexes or single images only, layers as they are or plain tars."""

    formats: frozenset[str] = ANY_MANIFEST
    indexes: bool = True
    plain_layers: bool = False
    wants_compressed: bool = True
    """Whether plain layers without a manifest of their own are better compressed first."""


class Sink(Protocol):
    """Where an image is written. `finish` makes it appear; without it, nothing has changed there for readers."""

    abilities: Abilities

    async def has(self, blob: Descriptor) -> bool:
        """Whether the blob is there already."""

    async def put(self, blob: Blob, sent: Sent) -> str:
        """Take a blob over, checked; the word for how that was done: Copied, Mounted from …"""

    async def put_manifest(self, document: RawManifest, tag: str | None = None) -> None:
        """A child or referrer by its digest, or with a tag by that, too."""

    async def put_root(self, document: RawManifest) -> None:
        """What the location is to name."""

    async def finish(self) -> None:
        """All of it is there."""

    async def close(self) -> None:
        """Let go; what is not finished is undone as far as it can be."""
