# SPDX-License-Identifier: Apache-2.0
"""One name, an image for each platform: kept side by side as they are pulled or loaded.

What a name stands for without a platform is the image that suits this machine best, else the one that came last. The
images of a name are those of one index: when the name's index on the registry is another, the older ones lose it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sampan.errors import NotFound
from sampan.image.model import Image, IndexHere
from sampan.image.names import full_name
from sampan.metadata.images import ImageTable
from sampan.metadata.variants import VariantTable
from sampan.oci.config import ImageConfig
from sampan.oci.descriptor import encode_descriptor
from sampan.oci.platform import Platform, host_platform, match_rank
from sampan.oci.reference import Reference

if TYPE_CHECKING:
    from sampan.image.store import ImageStore


class PlatformNotHere(NotFound):
    """The name is known, an image of it for that platform is not. The words are Docker's."""

    def __init__(self, name: str, platform: Platform) -> None:
        super().__init__(
            f"image with reference {name} was found but does not provide the specified platform ({platform})"
        )


def add_variant(
    images: ImageTable,
    variants: VariantTable,
    reference: Reference,
    config: ImageConfig,
    index: IndexHere,
    read: Callable[[str], Image],
) -> str:
    """Make the image one of the name's, in the transaction that records it; the id that the name is to stand for."""
    name, image_id = str(reference), str(config.image_id)
    described = encode_descriptor(index.descriptor)
    before = variants.index_of(name)
    others = (
        variants.images_of(name) if before is not None and before["digest"] == described["digest"] else []
    )
    known = [one for one in others if one != image_id]
    chosen = _preferred(config, [read(one) for one in known])
    images.tag(name, chosen)
    variants.put(name, described, [*known, image_id])
    return chosen


def drop_variant(
    images: ImageTable, variants: VariantTable, name: str, image: Image, others: Sequence[Image]
) -> None:
    """Let the name stand for the `others` only, in a transaction; the image keeps its other names."""
    index = variants.index_of(name)
    assert index is not None
    first, *rest = others
    chosen = _preferred(first.config, rest)
    images.tag(name, chosen)
    variants.put(name, index, [str(other.id) for other in others])
    for text in image.repo_digests:
        if text.partition("@")[0] == name.rpartition(":")[0]:
            images.add_repo_digest(text, chosen)


def choose_variant(store: ImageStore, image: Image, name: str, platform: Platform) -> Image:
    """Of the images that the name stands for the best for a platform."""
    names = image.references or image.variant_of
    given = full_name(name)
    wanted = [given] if given in names else names
    ids = dict.fromkeys(one for reference in wanted for one in store.variants.images_of(reference))
    candidates = [image, *(store.get(one) for one in ids if one != str(image.id))]
    ranked = [
        (rank, position)
        for position, one in enumerate(candidates)
        if (rank := match_rank(platform, one.config.platform)) is not None
    ]
    if not ranked:
        raise PlatformNotHere(name, platform)
    return candidates[min(ranked)[1]]


def _preferred(newest: ImageConfig, others: Sequence[Image]) -> str:
    host = host_platform()
    best = match_rank(host, newest.platform)
    chosen = str(newest.image_id)
    for other in others:
        rank = match_rank(host, other.config.platform)
        if rank is not None and (best is None or rank < best):
            best, chosen = rank, str(other.id)
    return chosen
