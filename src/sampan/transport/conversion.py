# SPDX-License-Identifier: Apache-2.0
"""What a manifest has to become where it goes: its format, and the compression of each layer. Pure.

Holds: nothing is changed without a reason; where nothing has to be changed the manifest's bytes stay, and so its
digest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sampan.errors import InvalidArgument, Unsupported
from sampan.oci import media_type
from sampan.oci.descriptor import Descriptor
from sampan.oci.document import decode_object
from sampan.oci.manifest import Manifest, encode_manifest
from sampan.oci.media_type import Compression
from sampan.transport.model import Abilities

FORMATS = {"oci": media_type.OCI_MANIFEST, "v2s2": media_type.DOCKER_MANIFEST}


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for: a format (a media type, or none), a compression, and whether digests may change."""

    format: str = ""
    compression: Compression | None = None
    keeps_digests: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """The manifest's type, and for each layer how it is to be compressed; None leaves it as it is."""

    media_type: str
    layers: tuple[Compression | None, ...]
    is_changed: bool

    @property
    def is_docker(self) -> bool:
        """Whether it becomes Docker's schema 2."""
        return self.media_type == media_type.DOCKER_MANIFEST


def parse_format(text: str) -> str:
    """``oci``, ``v2s2``, or nothing."""
    if text and text not in FORMATS:
        raise InvalidArgument(f"unknown format {text!r}: choose one of {', '.join(FORMATS)}")
    return FORMATS.get(text, "")


def parse_compression(text: str) -> Compression | None:
    """``gzip``, ``zstd``, ``none``, or nothing."""
    try:
        return Compression(text) if text else None
    except ValueError:
        raise InvalidArgument(
            f"unknown compression {text!r}: choose one of {', '.join(Compression)}"
        ) from None


def is_image(manifest: Manifest) -> bool:
    """Whether it is a filesystem's image and not an artifact, which is never converted."""
    return manifest.config.media_type in media_type.CONFIGS and all(
        media_type.is_layer(layer.media_type) for layer in manifest.layers
    )


def plan_conversion(manifest: Manifest, wish: Wish, abilities: Abilities, *, is_made_here: bool) -> Plan:
    """`is_made_here`: the manifest is the source's invention, so nothing is lost with it."""
    kind = wish.format or (media_type.OCI_MANIFEST if is_made_here else manifest.media_type)
    if kind not in abilities.formats:
        kind = next(
            one for one in (media_type.OCI_MANIFEST, media_type.DOCKER_MANIFEST) if one in abilities.formats
        )
    if not is_image(manifest):
        if kind != manifest.media_type and (wish.format or kind not in abilities.formats):
            raise Unsupported(f"{manifest.digest.short} is not an image, so it cannot become {kind}")
        return Plan(manifest.media_type, (None,) * len(manifest.layers), is_changed=False)
    is_docker = kind == media_type.DOCKER_MANIFEST
    layers = tuple(
        _choose(layer, wish, abilities, is_docker=is_docker, is_made_here=is_made_here)
        for layer in manifest.layers
    )
    is_changed = kind != manifest.media_type or any(layer is not None for layer in layers)
    is_changed = is_changed or (is_docker and any(_is_foreign(layer) for layer in manifest.layers))
    if is_changed and wish.keeps_digests:
        raise InvalidArgument(
            f"manifest {manifest.digest} would have to be changed, and digests are to be kept"
        )
    return Plan(kind, layers, is_changed)


def convert_manifest(manifest: Manifest, layers: Sequence[Descriptor], plan: Plan) -> bytes:
    """The new manifest; `layers` have the digests and sizes that they have now."""
    kind = media_type.DOCKER_CONFIG if plan.is_docker else media_type.OCI_CONFIG
    config = replace(manifest.config, media_type=kind)
    if plan.is_docker:
        return encode_manifest(_bare(config), [_bare(layer) for layer in layers], docker=True)
    source = decode_object(manifest.raw, "manifest")
    if "subject" in source:
        raise Unsupported(f"{manifest.digest.short} refers to another manifest and cannot be converted")
    return encode_manifest(config, layers, annotations=manifest.annotations)


def _choose(
    layer: Descriptor, wish: Wish, abilities: Abilities, *, is_docker: bool, is_made_here: bool
) -> Compression | None:
    """The compression to change a layer to, if it has to be another."""
    now = media_type.layer_compression(layer.media_type)
    assert now is not None
    wanted = wish.compression or now
    if abilities.plain_layers:
        wanted = Compression.NONE
    elif wish.compression is None and is_made_here and now is Compression.NONE and abilities.wants_compressed:
        wanted = Compression.GZIP
    if is_docker and wanted is Compression.ZSTD:
        if wish.compression is Compression.ZSTD:
            raise InvalidArgument("Docker's schema 2 has no layers compressed with zstd")
        wanted = Compression.GZIP
    return None if wanted is now else wanted


def _is_foreign(layer: Descriptor) -> bool:
    """Of OCI's types in a manifest of Docker's: made here for zstd, which schema 2 cannot say."""
    return layer.media_type == media_type.OCI_LAYER_ZSTD


def _bare(descriptor: Descriptor) -> Descriptor:
    """Schema 2 knows media type, size and digest."""
    return Descriptor(descriptor.media_type, descriptor.digest, descriptor.size)
