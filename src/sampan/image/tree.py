# SPDX-License-Identifier: Apache-2.0
"""What a name stands for on each platform, and which of that is here.

Implements: Engine API v1.51, ImageManifestSummary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sampan.errors import SampanError
from sampan.image.model import Image
from sampan.image.packaging import kept_manifest
from sampan.oci.descriptor import Descriptor, decode_descriptor, encode_descriptor
from sampan.oci.digest import Digest
from sampan.oci.index import attested_digest, decode_index, is_attestation
from sampan.oci.manifest import Manifest
from sampan.oci.platform import encode_platform

if TYPE_CHECKING:
    from sampan.image.disposal import InUse
    from sampan.image.store import ImageStore


def describe_manifests(store: ImageStore, image: Image, in_use: InUse) -> list[dict[str, Any]]:
    """All manifests of the indexes that the image's names stand for; else its own."""
    here = {str(image.id): image}
    children: dict[Digest, Descriptor] = {}
    for name in image.names:
        here |= {one: store.get(one) for one in store.variants.images_of(name)}
        children |= {child.digest: child for child in _children(store, name)}
    known = {}
    for one in here.values():
        manifest = kept_manifest(store, one)
        if manifest is not None:
            known[manifest.digest] = (one, manifest)
            children.setdefault(manifest.digest, manifest.descriptor)
    return [_describe(child, known.get(child.digest), in_use) for child in children.values()]


def _children(store: ImageStore, name: str) -> Sequence[Descriptor]:
    described = store.variants.index_of(name)
    if described is None:
        return ()
    descriptor = decode_descriptor(described, "index")
    try:
        return decode_index(store.content.read(descriptor.digest), descriptor.media_type).manifests
    except SampanError:
        return ()


def _describe(child: Descriptor, found: tuple[Image, Manifest] | None, in_use: InUse) -> dict[str, Any]:
    content = sum(blob.size for blob in (found[1].config, *found[1].layers)) if found else 0
    unpacked = found[0].size_bytes if found else 0
    summary: dict[str, Any] = {
        "ID": str(child.digest),
        "Descriptor": encode_descriptor(child),
        "Available": found is not None,
        "Size": {"Content": content, "Total": content + unpacked},
    }
    if is_attestation(child):
        return summary | {"Kind": "attestation", "AttestationData": {"For": attested_digest(child)}}
    platform = found[0].config.platform if found else child.platform
    users = [user for user, _ in in_use(str(found[0].id))] if found else []
    data = {
        "Platform": encode_platform(platform) if platform else {},
        "Containers": users,
        "Size": {"Unpacked": unpacked},
    }
    return summary | {"Kind": "image", "ImageData": data}
