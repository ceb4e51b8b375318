# SPDX-License-Identifier: Apache-2.0
"""What an image is to the rest of the engine: a value, complete when it is handed out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sampan.errors import NotFound
from sampan.oci.config import ImageConfig
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest
from sampan.oci.document import JSONObject


class ImageNotFound(NotFound):
    """Nothing is called so. The words make the docker CLI pull: they are contract."""

    def __init__(self, name: str) -> None:
        super().__init__(f"No such image: {name}")
        self.name = name


@dataclass(frozen=True, slots=True)
class Image:
    """One image with its names, as it was when it was asked for; names are full references."""

    id: Digest
    config: ImageConfig
    run_config: JSONObject
    """The `config` object of the image config, as it is written there."""
    references: tuple[str, ...]
    repo_digests: tuple[str, ...]
    size_bytes: int
    created_ns: int
    manifest: Mapping[str, object] | None = None
    last_tag_ns: int | None = None
    variant_of: tuple[str, ...] = ()
    """Names that stand for this image when its platform is asked for, and for another one otherwise."""

    @property
    def names(self) -> tuple[str, ...]:
        """Everything that it is called: alone, or for its platform."""
        return (*self.references, *self.variant_of)

    @property
    def is_dangling(self) -> bool:
        """Whether nothing is called so."""
        return not self.names

    @property
    def chain_ids(self) -> tuple[Digest, ...]:
        """The chain ID after each layer, lowest first."""
        return self.config.chain_ids

    @property
    def chain_id(self) -> str | None:
        """The snapshot that is the whole root filesystem; None for an image without layers."""
        chain = self.config.chain_ids
        return str(chain[-1]) if chain else None


@dataclass(frozen=True, slots=True)
class IndexHere:
    """An index by which an image came: its bytes, and what points at it."""

    raw: bytes
    descriptor: Descriptor


@dataclass(frozen=True, slots=True)
class LayerInfo:
    """A layer that exists as a committed snapshot of its chain ID's name, and perhaps also as a blob."""

    diff_id: Digest
    size_bytes: int | None = None
    blob: Descriptor | None = None
