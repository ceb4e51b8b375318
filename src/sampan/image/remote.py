# SPDX-License-Identifier: Apache-2.0
"""From a name to an image on a registry: endpoints tried in order, indexes followed to a platform, the config read.

Holds: what comes out has been checked as far as documents go: digests, media types, sizes, and that the layers of
the manifest are those of the config, one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sampan.content.store import ContentStore
from sampan.errors import NotFound, PermissionDenied, SampanError, Unauthenticated, Unsupported
from sampan.image.model import IndexHere
from sampan.oci import media_type
from sampan.oci.config import ImageConfig, decode_image_config
from sampan.oci.descriptor import encode_descriptor
from sampan.oci.digest import Digest
from sampan.oci.document import InvalidDocument
from sampan.oci.index import decode_index
from sampan.oci.manifest import Manifest, decode_manifest
from sampan.oci.platform import Platform, encode_platform, host_platform, match_rank
from sampan.oci.raw_manifest import RawManifest
from sampan.oci.reference import DEFAULT_REGISTRY, Reference
from sampan.registry.repository import Repository
from sampan.registry.settings import Limits

_MAX_DEPTH = 4


@dataclass(frozen=True, slots=True)
class RemoteImage:
    """An image that is to be had from `repository`; `digest` is what the reference stands for there."""

    repository: Repository
    digest: Digest
    manifest: Manifest
    config: ImageConfig
    index: IndexHere | None = None
    """What it was chosen from."""


async def find_manifest(
    repositories: Sequence[Repository], reference: Reference
) -> tuple[Repository, RawManifest]:
    """The first endpoint's that has it; the error is the last endpoint's, which is the registry itself."""
    name = str(reference.digest) if reference.digest else reference.tag or ""
    for repository in repositories[:-1]:
        try:
            return repository, await repository.manifest(name)
        except SampanError:
            continue  # a mirror need not have it, nor be there
    try:
        return repositories[-1], await repositories[-1].manifest(name)
    except SampanError as error:
        raise _explain(error, reference) from error


async def find_image(
    repositories: Sequence[Repository],
    reference: Reference,
    *,
    platform: Platform | None,
    content: ContentStore,
) -> RemoteImage:
    """The image for a platform (None: this machine's, or the only one there is)."""
    repository, fetched = await find_manifest(repositories, reference)
    digest = reference.digest or fetched.digest
    root = IndexHere(fetched.raw, fetched.descriptor) if fetched.is_index else None
    for _ in range(_MAX_DEPTH):
        if not fetched.is_index:
            break
        index = decode_index(fetched.raw, fetched.media_type)
        chosen = index.select(platform or host_platform())
        fetched = await repository.manifest(str(chosen.digest))
    else:
        raise InvalidDocument(f"{reference.familiar()}: index leads to indexes of indexes of indexes")
    manifest = decode_manifest(fetched.raw, fetched.media_type)
    _check_manifest(manifest, reference, repository.settings.limits)
    config = decode_image_config(await _read_config(repository, manifest, content))
    _check_config(config, manifest, reference, platform)
    return RemoteImage(repository, digest, manifest, config, root)


async def _read_config(repository: Repository, manifest: Manifest, content: ContentStore) -> bytes:
    limit = repository.settings.limits.config_bytes
    if content.has(manifest.config.digest):
        return content.read(manifest.config.digest, limit)
    return await repository.read(manifest.config, limit)


def _check_manifest(manifest: Manifest, reference: Reference, limits: Limits) -> None:
    name = reference.familiar()
    if manifest.config.media_type not in media_type.CONFIGS:
        raise Unsupported(
            f"{name}: not an image: its config has the media type {manifest.config.media_type!r}"
        )
    for layer in manifest.layers:
        if not media_type.is_layer(layer.media_type):
            raise Unsupported(f"{name}: layer has the unsupported media type {layer.media_type!r}")
    if len(manifest.layers) > limits.layers:
        text = f"{name}: image has {len(manifest.layers)} layers, more than the limit of {limits.layers}"
        raise InvalidDocument(text, hint="the limit is max-layers in the configuration")


def _check_config(
    config: ImageConfig, manifest: Manifest, reference: Reference, platform: Platform | None
) -> None:
    name = reference.familiar()
    if len(config.diff_ids) != len(manifest.layers):
        raise InvalidDocument(
            f"{name}: manifest has {len(manifest.layers)} layers, the config speaks of {len(config.diff_ids)}"
        )
    if config.platform.os and config.platform.os != "linux":
        raise Unsupported(
            f'{name}: image operating system "{config.platform.os}" cannot be used on this platform'
        )
    if (
        platform is not None
        and config.platform.architecture
        and match_rank(platform, config.platform) is None
    ):
        raise NotFound(
            f"image with reference {name} was found but does not provide the specified platform ({platform})"
        )


def _explain(error: SampanError, reference: Reference) -> SampanError:
    """Docker's words for the two things that everybody meets; clients look for them."""
    name = reference.familiar()
    is_denied = isinstance(error, PermissionDenied | Unauthenticated)
    if reference.registry == DEFAULT_REGISTRY and is_denied and "incorrect username" not in error.message:
        return NotFound(
            f"pull access denied for {reference.familiar_name}, repository does not exist or may require 'docker"
            " login': denied: requested access to the resource is denied"
        )
    if isinstance(error, NotFound):
        if "name unknown" in error.message or "repository name not known" in error.message:
            return NotFound(
                f"manifest for {name} not found: name unknown: repository name not known to registry"
            )
        return NotFound(f"manifest for {name} not found: manifest unknown: manifest unknown")
    return error


async def describe_remote(repositories: Sequence[Repository], reference: Reference) -> dict[str, Any]:
    """DistributionInspect of the Engine API; `Manifest` is ours: the document itself, as text."""
    repository, fetched = await find_manifest(repositories, reference)
    if fetched.is_index:
        index = decode_index(fetched.raw, fetched.media_type)
        platforms = [item.platform for item in index.manifests if item.platform is not None]
    else:
        platforms = await _platforms_of(repository, fetched)
    return {
        "Descriptor": encode_descriptor(fetched.descriptor),
        "Platforms": [encode_platform(platform) for platform in platforms],
        "Manifest": fetched.raw.decode(),
    }


async def _platforms_of(repository: Repository, fetched: RawManifest) -> list[Platform]:
    manifest = decode_manifest(fetched.raw, fetched.media_type)
    if manifest.config.media_type not in media_type.CONFIGS:
        return []
    raw = await repository.read(manifest.config, repository.settings.limits.config_bytes)
    return [decode_image_config(raw).platform]
