# SPDX-License-Identifier: Apache-2.0
"""New indexes of images that are on registries: put together, and pushed with all that they name.

Implements: what ``docker manifest`` and ``docker buildx imagetools create`` do, without an engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from sampan.errors import InvalidArgument
from sampan.oci import media_type
from sampan.oci.config import decode_image_config
from sampan.oci.descriptor import Descriptor
from sampan.oci.index import decode_index, encode_index, is_attestation
from sampan.oci.manifest import decode_manifest
from sampan.oci.platform import Platform, match_rank
from sampan.oci.raw_manifest import RawManifest
from sampan.oci.reference import Reference
from sampan.registry.repository import Repository
from sampan.transport.checked import read_blob
from sampan.transport.copying import copy_below
from sampan.transport.model import Report
from sampan.transport.opening import Surroundings
from sampan.transport.registry import RegistrySink, RegistrySource


@dataclass(frozen=True, slots=True)
class Found:
    """A manifest or index on a registry."""

    reference: Reference
    document: RawManifest
    source: RegistrySource


@dataclass(frozen=True, slots=True)
class Part:
    """A child of a new index, and where it is now."""

    descriptor: Descriptor
    source: RegistrySource


async def look_up(reference: Reference, around: Surroundings) -> Found:
    """What a name stands for."""
    source = open_registry(reference, around)
    return Found(reference, await source.root(), source)


def open_registry(reference: Reference, around: Surroundings) -> RegistrySource:
    """The repository of a reference, mirrors first."""
    repositories = around.registries.open(reference, around.credentials(str(reference)))
    return RegistrySource(repositories, reference)


def open_target(reference: Reference, around: Surroundings) -> Repository:
    """The repository to push to."""
    return around.registries.open(reference, around.credentials(str(reference)), push=True)[-1]


async def describe_manifest(found: Found, around: Surroundings) -> Descriptor:
    """What an index would say of a manifest: with the platform that its config has."""
    limits = around.registries.settings.limits
    manifest = decode_manifest(found.document.raw, found.document.media_type)
    if manifest.config.media_type not in media_type.CONFIGS:
        return found.document.descriptor
    raw = await read_blob(found.source.blob(manifest.config), limits.config_bytes)
    return replace(found.document.descriptor, platform=decode_image_config(raw).platform)


async def collect_parts(found: Iterable[Found], around: Surroundings) -> list[Part]:
    """The children of all sources in their order, each once; later ones say what the index says of them."""
    parts: dict[object, Part] = {}
    for one in found:
        if one.document.is_index:
            children: Sequence[Descriptor] = decode_index(one.document.raw, one.document.media_type).manifests
        else:
            children = (await describe_manifest(one, around),)
        for child in children:
            parts[child.digest] = Part(child, one.source)
    return list(parts.values())


def choose_parts(parts: Sequence[Part], platforms: Sequence[Platform]) -> list[Part]:
    """Those for these platforms, with what is attested of them."""
    if not platforms:
        return list(parts)
    chosen = {
        str(part.descriptor.digest)
        for part in parts
        if part.descriptor.platform is not None
        and any(match_rank(one, part.descriptor.platform) == 0 for one in platforms)
    }
    if not chosen:
        raise InvalidArgument(f"no image for the platforms {', '.join(map(str, platforms))}")
    return [
        part
        for part in parts
        if str(part.descriptor.digest) in chosen or is_attestation(part.descriptor, of=chosen)
    ]


def compose_index(parts: Sequence[Part], annotations: dict[str, str]) -> RawManifest:
    """The new index: Docker's if all of its children are, and nothing is said that it has no word for."""
    kinds = {part.descriptor.media_type for part in parts}
    docker = not annotations and kinds == {media_type.DOCKER_MANIFEST}
    raw = encode_index([part.descriptor for part in parts], docker=docker, annotations=annotations or None)
    return RawManifest(raw, media_type.DOCKER_LIST if docker else media_type.OCI_INDEX)


async def push_index(
    target: Reference, document: RawManifest, parts: Iterable[Part], around: Surroundings, report: Report
) -> None:
    """Bring the children to the target's repository, where they are not there, then the index by its name."""
    sink = RegistrySink(open_target(target, around), target)
    for part in parts:
        if not sink.is_at(part.source):
            child = await part.source.manifest(part.descriptor.digest)
            await copy_below(
                part.source, sink, child, limits=around.registries.settings.limits, report=report
            )
            await sink.put_manifest(child)
    await sink.put_root(document)
