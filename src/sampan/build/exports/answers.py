# SPDX-License-Identifier: Apache-2.0
"""What clients are told of an output, from which they write ``--iidfile`` and ``--metadata-file`` (pure).

Implements: the exporter's answers of BuildKit by their keys, objects in base64; docker buildx build's key for the
provenance, one for each platform where there are several.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence

from sampan.build.exports.packing import Package
from sampan.image.model import Image
from sampan.oci import media_type
from sampan.oci.descriptor import Descriptor, encode_descriptor
from sampan.oci.index import attested_digest
from sampan.oci.manifest import decode_manifest
from sampan.oci.platform import host_platform, match_rank

DIGEST = "containerimage.digest"
CONFIG_DIGEST = "containerimage.config.digest"
DESCRIPTOR = "containerimage.descriptor"
NAME = "image.name"
PROVENANCE = "buildx.build.provenance"

_PREDICATE_TYPE = "in-toto.io/predicate-type"
_SLSA = "https://slsa.dev/provenance/"


def suitable_id(package: Package) -> str:
    """The id of the image that suits this machine, else of the first."""
    host = host_platform()
    ranks = [match_rank(host, packed.image.config.platform) for packed in package.images]
    known = [(rank, number) for number, rank in enumerate(ranks) if rank is not None]
    return str(package.images[min(known)[1] if known else 0].image.id)


def describe_image(image: Image, names: Sequence[str]) -> dict[str, str]:
    """An image that is known by its config's digest: it has no manifest until it is pushed."""
    config = Descriptor.of(image.config.raw, media_type.OCI_CONFIG)
    return _describe(config, names) | {CONFIG_DIGEST: str(image.id)}


def describe_package(package: Package, names: Sequence[str]) -> dict[str, str]:
    """A manifest or an index; an image of one platform has one config, too."""
    told = _describe(package.root, names) | dict(_iter_provenance(package))
    is_one = len(package.images) == 1
    return told | ({CONFIG_DIGEST: str(package.images[0].image.id)} if is_one else {})


def _describe(root: Descriptor, names: Sequence[str]) -> dict[str, str]:
    told = {DIGEST: str(root.digest), DESCRIPTOR: _encode(encode_descriptor(root))}
    return told | ({NAME: ",".join(names)} if names else {})


def _iter_provenance(package: Package) -> Iterator[tuple[str, str]]:
    platforms = {str(packed.manifest.digest): packed.descriptor.platform for packed in package.images}
    for one in package.attached:
        platform = platforms.get(attested_digest(one.descriptor))
        for layer in decode_manifest(one.blobs[one.descriptor.digest]).layers:
            if layer.annotations.get(_PREDICATE_TYPE, "").startswith(_SLSA):
                predicate = json.loads(one.blobs[layer.digest])["predicate"]
                several = len(package.images) > 1
                yield f"{PROVENANCE}/{platform}" if several else PROVENANCE, _encode(predicate)


def _encode(value: object) -> str:
    return base64.b64encode(json.dumps(value, separators=(",", ":")).encode()).decode()
