# SPDX-License-Identifier: Apache-2.0
"""What is put beside the images of an index and says something about them: attestations.

Implements: BuildKit's attestation manifests, whose line in the index names the platform unknown/unknown and the
image that they are about. This is only the place for them; who makes them is an `Attestor`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sampan.build.built import Built
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest
from sampan.oci.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Attached:
    """A manifest's line in the index, whole, and the manifest's bytes with those of all that it names."""

    descriptor: Descriptor
    blobs: Mapping[Digest, bytes]


class Attestor(Protocol):
    """Makes attestations of one image that has been built; they are listed in the order in which they are given."""

    def attest(self, built: Built, manifest: Manifest) -> Awaitable[Sequence[Attached]]:
        """What there is to say; the image's line in the index will have the manifest's digest."""
