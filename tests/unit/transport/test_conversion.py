# SPDX-License-Identifier: Apache-2.0
"""What a manifest becomes, as plans."""

from __future__ import annotations

import pytest

from sampan.errors import InvalidArgument
from sampan.oci import media_type
from sampan.oci.descriptor import Descriptor
from sampan.oci.manifest import Manifest, decode_manifest, encode_manifest
from sampan.oci.media_type import Compression
from sampan.transport.conversion import Wish, convert_manifest, plan_conversion
from sampan.transport.model import Abilities

REGISTRY = Abilities()
ARCHIVE = Abilities(frozenset({media_type.DOCKER_MANIFEST}), indexes=False, plain_layers=True)


def manifest(*kinds: str, docker: bool = False) -> Manifest:
    config = Descriptor.of(b"{}", media_type.DOCKER_CONFIG if docker else media_type.OCI_CONFIG)
    layers = [Descriptor.of(str(n).encode(), kind) for n, kind in enumerate(kinds)]
    return decode_manifest(
        encode_manifest(config, layers, docker=docker, annotations=None if docker else {"a": "b"})
    )


def test_nothing_asked_nothing_changed() -> None:
    plan = plan_conversion(manifest(media_type.OCI_LAYER), Wish(), REGISTRY, is_made_here=False)
    assert not plan.is_changed


def test_a_manifest_made_here_has_its_plain_layers_compressed() -> None:
    plan = plan_conversion(manifest(media_type.OCI_LAYER), Wish(), REGISTRY, is_made_here=True)
    assert plan.layers == (Compression.GZIP,)


def test_schema_2_has_no_zstd_and_no_annotations() -> None:
    source = manifest(media_type.OCI_LAYER_ZSTD, media_type.OCI_LAYER_GZIP)
    plan = plan_conversion(source, Wish(format=media_type.DOCKER_MANIFEST), REGISTRY, is_made_here=False)
    assert plan.layers == (Compression.GZIP, None)
    new = [
        Descriptor.of(b"x", media_type.DOCKER_LAYER_GZIP),
        Descriptor.of(b"1", media_type.DOCKER_LAYER_GZIP),
    ]
    written = decode_manifest(convert_manifest(source, new, plan))
    assert written.media_type == media_type.DOCKER_MANIFEST
    assert written.config.media_type == media_type.DOCKER_CONFIG
    assert not written.annotations


def test_a_docker_archive_takes_plain_tars() -> None:
    plan = plan_conversion(manifest(media_type.OCI_LAYER_GZIP), Wish(), ARCHIVE, is_made_here=False)
    assert (plan.layers, plan.media_type) == ((Compression.NONE,), media_type.DOCKER_MANIFEST)


def test_to_keep_digests_goes_before_everything() -> None:
    wish = Wish(format=media_type.DOCKER_MANIFEST, keeps_digests=True)
    with pytest.raises(InvalidArgument, match="digests are to be kept"):
        plan_conversion(manifest(media_type.OCI_LAYER_GZIP), wish, REGISTRY, is_made_here=False)


def test_schema_2_with_zstd_cannot_be_asked_for() -> None:
    wish = Wish(format=media_type.DOCKER_MANIFEST, compression=Compression.ZSTD)
    with pytest.raises(InvalidArgument, match="no layers compressed with zstd"):
        plan_conversion(manifest(media_type.OCI_LAYER_GZIP), wish, REGISTRY, is_made_here=False)
